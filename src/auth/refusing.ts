import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Authenticator } from "./authenticate.ts";

/**
 * The same authenticator with a last word on whoever was verified, by a token that was seen before and by a ticket too: AUTH_FAILED, which is no
 * failed authentication of the address, since the credential was genuine.
 */
export function refusing(authenticator: Authenticator, isRefused: (principal: Principal) => boolean): Authenticator {
  function check(principal: Principal): Principal {
    if (isRefused(principal)) throw new ProtocolError("AUTH_FAILED");
    return principal;
  }

  function checkWhenKnown(principal: Principal | Promise<Principal>): Principal | Promise<Principal> {
    return principal instanceof Promise ? principal.then(check) : check(principal);
  }

  return {
    authenticate: (credential, addressKey, shown) =>
      checkWhenKnown(authenticator.authenticate(credential, addressKey, shown)),
    verify: (token, addressKey, shown) => checkWhenKnown(authenticator.verify(token, addressKey, shown)),
    isRefused,
    sweep: () => authenticator.sweep(),
    get keysReady() {
      return authenticator.keysReady;
    },
    get held() {
      return authenticator.held;
    },
  };
}
