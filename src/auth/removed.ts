import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Accounts } from "./accounts.ts";
import type { Authenticator } from "./authenticate.ts";

/** The same authenticator, for a node with accounts: the token of an account that was removed is AUTH_FAILED. */
export function refusingRemoved(authenticator: Authenticator, accounts: Pick<Accounts, "wasRemoved">): Authenticator {
  function check(principal: Principal): Principal {
    if (accounts.wasRemoved(principal.id)) throw new ProtocolError("AUTH_FAILED");
    return principal;
  }

  function checkWhenKnown(principal: Principal | Promise<Principal>): Principal | Promise<Principal> {
    return principal instanceof Promise ? principal.then(check) : check(principal);
  }

  return {
    authenticate: (credential, addressKey, shown) =>
      checkWhenKnown(authenticator.authenticate(credential, addressKey, shown)),
    verify: (token, addressKey, shown) => checkWhenKnown(authenticator.verify(token, addressKey, shown)),
    sweep: () => authenticator.sweep(),
    get keysReady() {
      return authenticator.keysReady;
    },
  };
}
