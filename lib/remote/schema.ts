/**
 * A schema of any library that follows [Standard Schema](https://standardschema.dev), version 1: zod, valibot, arktype and others. Only
 * these members are used.
 */
export interface StandardSchema {
  /** What the standard says of a schema. */
  readonly '~standard': {
    /** The version of the standard. */
    readonly version: 1;
    /** The library's name. */
    readonly vendor: string;
    /** Validates a value, and maybe converts it. */
    readonly validate: (value: unknown) => SchemaResult | PromiseLike<SchemaResult>;
  };
}

/** The result of a schema's validation: the value, maybe converted, or what is wrong with it. */
export type SchemaResult = SchemaSuccess | SchemaFailure;

/** A value that fits a schema. */
export interface SchemaSuccess {
  /** The value, maybe converted. */
  readonly value: unknown;
  /** There are none. */
  readonly issues?: undefined;
}

/** A value that does not fit a schema. */
export interface SchemaFailure {
  /** What is wrong with it. */
  readonly issues: readonly SchemaIssue[];
}

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  /** In words. */
  readonly message: string;
}

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
