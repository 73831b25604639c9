/** How GraphiQL asks: by HTTP, and subscriptions by graphql-transport-ws. */

import type { Fetcher, FetcherOpts, FetcherParams } from "@graphiql/toolkit";
import { type DocumentNode, type ExecutionResult, getOperationAST, Kind, OperationTypeNode, parse } from "graphql";
import { createClient } from "graphql-ws";
import { givenKey, send, Trouble, troubleOf } from "../ask";

/** What the page is told: of a trouble, that one is over (null), or that an answer takes long. */
export interface Listener {
  trouble(trouble: Trouble | null): void;
  /** The server answers, but does not tell its schema, and why. */
  schemaless(reason: string): void;
  waiting(waiting: boolean): void;
}

const INTROSPECTION = "IntrospectionQuery"; // as GraphiQL calls it
const MOST = 600; // seconds; the server's own limit is far below

/** Returns the fetcher; GraphiQL stops what it returns by its `return`. */
export function createFetcher(listener: Listener): Fetcher {
  return (given, options) => {
    const document = parsed(given.query);
    const params = document ? { ...given, operationName: nameIn(document, given.operationName) } : given;
    return isSubscription(params, document) ? subscribe(params, options, listener) : once(params, options, listener);
  };
}

/** Returns the query's document; null for what cannot be parsed, of which the server says why. */
function parsed(query: string): DocumentNode | null {
  try {
    return parse(query);
  } catch {
    return null;
  }
}

/** Returns the name if an operation has it: for a moment after a tab is chosen GraphiQL still gives the one before. */
function nameIn(document: DocumentNode, name: string | null | undefined): string | null {
  const names = document.definitions.map((found) => (found.kind === Kind.OPERATION_DEFINITION ? found.name?.value : undefined));
  return name && names.includes(name) ? name : null;
}

function isSubscription({ operationName }: FetcherParams, document: DocumentNode | null): boolean {
  const operation = document && getOperationAST(document, operationName);
  return operation?.operation === OperationTypeNode.SUBSCRIPTION;
}

/** One answer, as an iterable so that waiting for it can be stopped. */
function once(params: FetcherParams, options: FetcherOpts | undefined, listener: Listener): AsyncIterableIterator<ExecutionResult> {
  const stopped = new AbortController();
  let asked = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (asked) return { done: true, value: undefined };
      asked = true;
      return { done: false, value: await answer(params, options?.headers ?? {}, stopped.signal, listener) };
    },
    async return() {
      stopped.abort();
      return { done: true, value: undefined };
    },
  };
}

async function answer(params: FetcherParams, headers: Record<string, string>, signal: AbortSignal, listener: Listener): Promise<ExecutionResult> {
  try {
    const reply = await send(params, headers, { seconds: MOST, signal, waiting: listener.waiting });
    const trouble = troubleOf(reply);
    listener.trouble(trouble && isOfTheDoor(trouble) ? trouble : null);
    if (trouble?.kind === "refused" && params.operationName === INTROSPECTION) listener.schemaless(trouble.message);
    if (!reply.body) throw trouble;
    return reply.body as object as ExecutionResult; // whatever it is, GraphiQL shows it as JSON
  } catch (error) {
    if (signal.aborted) throw said("Stopped before an answer came.");
    if (!(error instanceof Trouble)) throw error;
    listener.trouble(error);
    throw said(`${error.message} ${error.advice}`);
  }
}

/** Whether a trouble is not of this question alone, but of the server or of who asks. */
function isOfTheDoor(trouble: Trouble): boolean {
  return trouble.kind !== "refused" && trouble.kind !== "slow";
}

async function* subscribe(params: FetcherParams, options: FetcherOpts | undefined, listener: Listener): AsyncGenerator<ExecutionResult> {
  const address = new URL("/graphql", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const key = givenKey();
  const client = createClient({
    url: address.href,
    retryAttempts: 0, // a person sees the end of it, and asks again
    connectionParams: { ...(key && { authorization: `Bearer ${key}` }), ...options?.headers },
  });
  try {
    const results = client.iterate({
      query: params.query,
      variables: params.variables as Record<string, unknown>,
      ...(params.operationName && { operationName: params.operationName }),
    });
    for await (const result of results) {
      listener.trouble(null);
      yield result as ExecutionResult;
    }
  } catch (error) {
    throw closed(error);
  } finally {
    await client.dispose();
  }
}

/** An error of the socket as one that says what happened: some come as events. */
function closed(error: unknown): Error {
  if (error instanceof CloseEvent)
    return said(error.reason ? `The subscription was ended: ${error.reason}.` : "The connection was lost.");
  if (Array.isArray(error)) return said(error.map(({ message }) => String(message)).join("; "));
  return said(error instanceof Error ? error.message : "The server does not answer.");
}

/** An error without a stack: GraphiQL would show it to the reader. */
function said(message: string): Error {
  const error = new Error(message);
  delete error.stack;
  return error;
}
