/**
 * A schema of any library that follows [Standard Schema](https://standardschema.dev), version 1: zod, valibot, arktype and others. Only
 * these members are used.
 */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult | PromiseLike<SchemaResult>;
  };
}

/** The result of a schema's validation: the value, maybe converted, or what is wrong with it. */
export type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/** The result of {@link validate}. */
export type Validated =
  { readonly isValid: true; readonly value: unknown } | { readonly isValid: false; readonly message: string };

/** Validates a value; without a schema, every value is valid. Synchronous if the schema is. */
export function validate(schema: StandardSchema | undefined, value: unknown): Validated | PromiseLike<Validated> {
  if (schema === undefined) return { isValid: true, value };
  const result = schema['~standard'].validate(value);
  return 'then' in result ? result.then(validatedOf) : validatedOf(result);
}

function validatedOf(result: SchemaResult): Validated {
  if (result.issues === undefined) return { isValid: true, value: result.value };
  return { isValid: false, message: result.issues.map(({ message }) => message).join('; ') };
}
