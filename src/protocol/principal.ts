/** What a grant in the token allows on the topics that its pattern matches. */
export type GrantedAction = "read" | "write" | "presence";

/**
 * Who a connection belongs to, from a verified token or from the embedder's validator. Immutable and shared:
 * every connection that came with the same token holds the same object.
 */
export interface Principal {
  /** The identity that is compared, limited and counted: always text. */
  readonly id: string;
  /** The id as it goes on the wire: a number where the token's claim was a number. */
  readonly wireId: string | number;
  readonly username: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** Topic pattern → actions, as the issuer granted them by name; null when the token grants none. */
  readonly topics: ReadonlyMap<string, readonly GrantedAction[]> | null;
  /** Ids whose `followers:{id}` topic the user receives. */
  readonly follows: readonly string[];
  /** When the token ends, in milliseconds since 1970; null only from an embedder's validator. */
  readonly expiresAtMs: number | null;
  readonly issuedAtMs: number | null;
  readonly jti: string | null;
  readonly sid: string | null;
}

/** What the backend says of a user instead of its tokens; null: as the token says. */
export interface PermissionChange {
  readonly roles: readonly string[] | null;
  readonly permissions: readonly string[] | null;
  /** Topic pattern → actions. */
  readonly topics: ReadonlyMap<string, readonly GrantedAction[]> | null;
}

/** Until when a token is accepted, wall clock: its end, by which clocks may differ. Infinite when it has none. */
export function acceptedUntilMs({ expiresAtMs }: Pick<Principal, "expiresAtMs">, clockToleranceS: number): number {
  return (expiresAtMs ?? Number.POSITIVE_INFINITY) + clockToleranceS * 1_000;
}

/**
 * Whether an order about what was issued up to then means a token; null is an order about all of them. `iat` has whole seconds: a token of
 * the very second of the order may be one of those that are meant, and so may one that does not say when it was issued.
 */
export function isIssuedBy(issuedAtMs: number | null, issuedBeforeMs: number | null): boolean {
  if (issuedBeforeMs === null || issuedAtMs === null) return true;
  return Math.floor(issuedAtMs / 1_000) <= Math.floor(issuedBeforeMs / 1_000);
}
