/**
 * A schema of any library that follows [Standard Schema](https://standardschema.dev), version 1: zod, valibot, arktype and others. This is
 * what is used of it.
 */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult | PromiseLike<SchemaResult>;
  };
}

/** What a schema says of a value: what it has become, or what is wrong with it. */
export type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/** What a schema makes of a value. */
export type Validated =
  { readonly isValid: true; readonly value: unknown } | { readonly isValid: false; readonly message: string };

/** Validates a value. Without a schema, every value is as it should be; at once where the schema can tell at once. */
export function validate(schema: StandardSchema | undefined, value: unknown): Validated | PromiseLike<Validated> {
  if (schema === undefined) return { isValid: true, value };
  const result = schema['~standard'].validate(value);
  return 'then' in result ? result.then(validatedOf) : validatedOf(result);
}

function validatedOf(result: SchemaResult): Validated {
  if (result.issues === undefined) return { isValid: true, value: result.value };
  return { isValid: false, message: result.issues.map(({ message }) => message).join('; ') };
}
