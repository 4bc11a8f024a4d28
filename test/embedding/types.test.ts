import { expect, test } from "bun:test";
import type {
  ClientConnection,
  ListenTarget,
  PermissionInput,
  PrincipalInput,
  ServerOptions,
  WebSocketAuthOptions,
} from "../../src/index.ts";

/** What does not compile in an application: checked by the compiler, the test only shows that it is looked at. */

type Fits<Given, Wanted> = Given extends Wanted ? true : false;

interface Verdicts {
  settings: Fits<
    { jwtSecret: string; maxConnectionsPerUser: 5; allowedOrigins: string[]; tokenInQuery: false },
    ServerOptions
  >;
  settingsOfAnotherType: Fits<{ maxConnectionsPerUser: { n: 5 } }, ServerOptions>;
  validator: Fits<{ tokenValidator: (token: string) => Promise<{ id: number } | null> }, ServerOptions>;
  validatorWithoutId: Fits<{ tokenValidator: () => { username: string } }, ServerOptions>;
  checkerWithoutAnswer: Fits<{ permissionChecker: () => void }, ServerOptions>;
  callbackThatIsNone: Fits<{ onConnect: 3 }, ServerOptions>;
  dataOfAnotherType: Fits<{ onConnect: (connection: ClientConnection<string>) => void }, ServerOptions<number>>;
  namespaceWithoutRule: Fits<{ namespaces: { game: { read: "any" } } }, ServerOptions>;
  roles: Fits<{ id: 1; roles: readonly ["admin"]; topics: { "conversation:7": readonly ["read"] } }, PrincipalInput>;
  actionThatIsNone: Fits<{ id: 1; topics: { "conversation:7": readonly ["own"] } }, PrincipalInput>;
  changedTopics: Fits<{ topics: { "conversation:7": readonly ["read"] } }, PermissionInput>;
  changeWithAnActionThatIsNone: Fits<{ topics: { "conversation:7": readonly ["own"] } }, PermissionInput>;
  portAsText: Fits<"8080", ListenTarget>;
  unixSocket: Fits<{ unix: string }, ListenTarget>;
  placeAmongSettings: "port" extends keyof ServerOptions ? true : false;
  serverSettingOfTheChecksAlone: "historySize" extends keyof WebSocketAuthOptions ? true : false;
}

const verdicts: Verdicts = {
  settings: true,
  settingsOfAnotherType: false,
  validator: true,
  validatorWithoutId: false,
  checkerWithoutAnswer: false,
  callbackThatIsNone: false,
  dataOfAnotherType: false,
  namespaceWithoutRule: false,
  roles: true,
  actionThatIsNone: false,
  changedTopics: true,
  changeWithAnActionThatIsNone: false,
  portAsText: false,
  unixSocket: true,
  placeAmongSettings: false,
  serverSettingOfTheChecksAlone: false,
};

test("misuse of the options does not compile", () => {
  expect(Object.values(verdicts).filter(Boolean)).toHaveLength(5);
});
