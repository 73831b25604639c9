/**
 * Asking the API: a question comes to an answer, or to a Trouble that says what happened and what can be done.
 *
 * Whatever the server says is text for the pages: they show it as text (textContent), never as markup.
 */

/** What went wrong, by what a person can do about it. */
export type TroubleKind =
  | "down" // nobody answers
  | "slow" // no answer within the time
  | "database" // the server answers, its database does not
  | "limited" // asked too much: again after `retryAfter`
  | "unauthenticated" // a key is needed, or the one given is not known
  | "forbidden" // the key is not for this
  | "unreadable" // no GraphQL answer came: a proxy's page, say
  | "refused"; // all else that the API says, by its code

export interface Warning {
  code: string;
  message: string;
}

export interface Answer<Data> {
  data: Data;
  /** STALE, when the answer is from before the database went away. */
  warnings: Warning[];
}

export interface Asking {
  /** Gives up after so long, in seconds. */
  seconds?: number;
  signal?: AbortSignal;
  /** Told true when an answer takes so long that a person wonders (LONG), and false when that is over. */
  waiting?: (waiting: boolean) => void;
}

/** An answer as it came over HTTP: `body` is null where it was no GraphQL answer at all. */
export interface Reply {
  response: Response;
  body: Body | null;
}

export interface Body {
  data?: unknown;
  errors?: { message?: unknown; extensions?: Record<string, unknown> | null }[];
  extensions?: { warnings?: unknown } | null;
}

const KEPT_AS = "btcql:key";
const PATIENCE = 30; // seconds
export const LONG = 10; // seconds
const ADVICE: Record<TroubleKind, string> = {
  down: "Look whether it runs (btcql serve) and the network is there, then try again.",
  slow: "It may be busy, or the question may be large. Try again, or ask for less.",
  database: "The server tries to reach its database again by itself.",
  limited: "Wait, or give an API key that may ask more.",
  unauthenticated: "Give an API key (btcql keys create makes one).",
  forbidden: "Give another API key, one that has this scope.",
  unreadable: "Something between here and the server may be in the way. Try again later.",
  refused: "",
};
const KINDS: Record<string, TroubleKind> = {
  DATABASE_UNAVAILABLE: "database",
  TIMEOUT: "slow",
  RATE_LIMITED: "limited",
  UNAUTHENTICATED: "unauthenticated",
  FORBIDDEN: "forbidden",
};

/** Why there is no answer. */
export class Trouble extends Error {
  /** What can be done about it; empty where the message says it. */
  readonly advice: string;

  constructor(
    readonly kind: TroubleKind,
    message: string,
    /** The API's code of the error, where it gave one. */
    readonly code: string | null = null,
    /** Seconds after which asking again makes sense, where the server said so. */
    readonly retryAfter: number | null = null,
    /** What else the API gave with the error. */
    readonly extensions: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = "Trouble";
    this.advice = ADVICE[kind];
  }
}

/** Returns the API key that was given; it is known to this tab alone, until it is closed. */
export function givenKey(): string {
  return sessionStorage.getItem(KEPT_AS) ?? "";
}

export function giveKey(key: string): void {
  sessionStorage.setItem(KEPT_AS, key.trim());
}

/** Returns the answer to a GraphQL document; rejects with a Trouble, or an AbortError if `signal` says so. */
export async function ask<Data>(
  query: string,
  variables: Record<string, unknown> = {},
  asking: Asking = {},
): Promise<Answer<Data>> {
  const reply = await send({ query, variables }, {}, asking);
  const trouble = troubleOf(reply);
  if (trouble) throw trouble;
  const warnings = reply.body?.extensions?.warnings;
  return { data: reply.body?.data as Data, warnings: Array.isArray(warnings) ? (warnings as Warning[]) : [] };
}

/** Sends a GraphQL request, with the key that was given unless `headers` have one; rejects as `ask` does. */
export async function send(
  request: object,
  headers: Record<string, string> = {},
  { seconds = PATIENCE, signal, waiting = () => {} }: Asking = {},
): Promise<Reply> {
  const patience = new AbortController();
  const timers = [setTimeout(() => patience.abort(), seconds * 1000), setTimeout(() => waiting(true), LONG * 1000)];
  const key = givenKey();
  const own = new Headers({
    "content-type": "application/json",
    accept: "application/graphql-response+json, application/json",
  });
  for (const [name, value] of Object.entries(headers)) own.set(name, value);
  if (key && !own.has("authorization") && !own.has("x-api-key")) own.set("authorization", `Bearer ${key}`);
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: own,
      body: JSON.stringify(request),
      signal: signal ? AbortSignal.any([signal, patience.signal]) : patience.signal,
    });
    return { response, body: bodyOf(await response.text()) };
  } catch (error) {
    if (signal?.aborted) throw error;
    if (patience.signal.aborted) throw new Trouble("slow", `The server did not answer within ${seconds} seconds.`);
    throw new Trouble("down", "The server does not answer.");
  } finally {
    timers.forEach(clearTimeout);
    waiting(false);
  }
}

/** Returns what is wrong with an answer, null if nothing is. */
export function troubleOf({ response, body }: Reply): Trouble | null {
  const [error] = Array.isArray(body?.errors) ? body.errors : [];
  if (!body || (!error && !body.data)) {
    const said = `What came (HTTP ${response.status}) is no answer of the API's.`;
    return new Trouble(response.status === 502 || response.status === 504 ? "down" : "unreadable", said);
  }
  if (!error) return null;
  const code = typeof error.extensions?.["code"] === "string" ? error.extensions["code"] : null;
  const wait = Number(error.extensions?.["retryAfter"] ?? response.headers.get("retry-after"));
  const message = typeof error.message === "string" && error.message ? error.message : "The API gave no reason.";
  return new Trouble(KINDS[code ?? ""] ?? "refused", message, code, wait > 0 ? wait : null, error.extensions ?? {});
}

function bodyOf(text: string): Body | null {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null && !Array.isArray(body) ? body : null;
  } catch {
    return null;
  }
}
