import "../page.css";
import "./pipeline.css";
import { ask, LONG, Trouble, type Warning } from "../ask";
import { element, notice, troubleNotice } from "../notice";
import { followTheme } from "../theme";
import STATUS from "./status.graphql";
import type { Load, Market, Maybe, QualityWarning, Run, Status } from "./status";
import { age, type Column, count, instant, tableOf, text } from "./table";

const EVERY = 30; // seconds
const notices = document.querySelector<HTMLElement>("#notices")!;
const state = document.querySelector<HTMLElement>("#state")!;
const tables = document.querySelector<HTMLElement>("#tables")!;
let timer: number | undefined;
let asking = false;

const MARKETS: Column<Market>[] = [
  { title: "Market", value: ({ symbol, synthetic }) => text(symbol) + (synthetic ? " SYNTHETIC" : ""), marked: ({ synthetic }) => !!synthetic },
  { title: "Sources", value: ({ sources }) => text(sources?.map(text).join(", ")) },
  { title: "Data from", value: ({ freshness }) => instant(freshness?.firstBar), kind: "time" },
  { title: "through", value: ({ freshness }) => instant(freshness?.dataThrough), kind: "time" },
  { title: "Age", value: ({ freshness }) => age(freshness?.ageSeconds), kind: "number" },
  { title: "Fresh", value: ({ freshness }) => (freshness?.stale == null ? text(null) : freshness.stale ? "STALE" : "yes"), marked: ({ freshness }) => !!freshness?.stale },
  { title: "Next refresh", value: ({ freshness }) => instant(freshness?.nextRefreshAt), kind: "time" },
];
const WARNINGS: Column<QualityWarning>[] = [
  { title: "Market", value: ({ symbol }) => text(symbol) },
  { title: "Kind", value: ({ kind }) => text(kind) },
  { title: "From", value: ({ from }) => instant(from), kind: "time" },
  { title: "to", value: ({ to }) => instant(to), kind: "time" },
  { title: "Source", value: ({ source }) => text(source) },
  { title: "Bars", value: ({ bars }) => count(bars), kind: "number" },
  { title: "What", value: ({ message }) => text(message) },
];
const RUNS: Column<Run>[] = [
  { title: "Market", value: ({ symbol }) => text(symbol) },
  { title: "Task", value: ({ task }) => text(task) },
  { title: "Began", value: ({ startedAt }) => instant(startedAt), kind: "time" },
  { title: "Ended", value: ({ endedAt }) => instant(endedAt), kind: "time" },
  { title: "State", value: ({ state }) => text(state), marked: ({ state }) => state === "failed" || state === "interrupted" },
  { title: "Rows", value: ({ rows }) => count(rows), kind: "number" },
];
const LOADS: Column<Load>[] = [
  { title: "Market", value: ({ symbol }) => text(symbol) },
  { title: "Source", value: ({ source }) => text(source) },
  { title: "From", value: ({ from }) => instant(from), kind: "time" },
  { title: "to", value: ({ to }) => instant(to), kind: "time" },
  { title: "Rows", value: ({ rows }) => count(rows), kind: "number" },
  { title: "Loaded", value: ({ loadedAt }) => instant(loadedAt), kind: "time" },
  { title: "Raw object", value: ({ rawObject }) => text(rawObject) },
  { title: "SHA-256", value: ({ sha256 }) => text(sha256?.slice(0, 12)) },
];

function show({ pipeline, markets, server }: Status, warnings: Warning[]): void {
  notices.replaceChildren(...warnings.map(({ message }) => notice(text(message))));
  state.replaceChildren(`State: ${text(pipeline?.state)}. `);
  state.append(`The last run began ${instant(pipeline?.lastRunAt)}, the last success ended ${instant(pipeline?.lastSuccessAt)}. `);
  state.append(...visualiser(pipeline?.visualiserUrl));
  tables.replaceChildren(
    tableOf("Markets", markets, MARKETS, "No market has been loaded yet: btcql import or btcql ingest bring one."),
    tableOf("What is odd in the bars", pipeline?.qualityWarnings, WARNINGS, "Nothing."),
    tableOf("Last runs", pipeline?.recentRuns, RUNS, "None yet."),
    tableOf("Last loads", pipeline?.recentLoads, LOADS, "None yet."),
    element("p", `btcql ${text(server?.version)} on ${text(server?.database)}, edition ${text(server?.edition)}, TimescaleDB ${text(server?.timescaledb)}`, "dim"),
  );
}

/** Luigi's own page; an address that only the server's machine can reach is no link elsewhere. */
function visualiser(address: Maybe<string>): (Node | string)[] {
  const found = typeof address === "string" && URL.canParse(address) ? new URL(address) : null;
  if (!found || !/^https?:$/.test(found.protocol)) return [];
  const isLocal = ({ hostname }: { hostname: string }) => /^(localhost|127\..*|\[::1\])$/.test(hostname);
  if (isLocal(found) && !isLocal(location)) return [`Luigi's visualiser is at ${found.href} on the server's own machine.`];
  const link = element("a", "Luigi's visualiser");
  link.href = found.href;
  return ["Its tasks: ", link, "."];
}

async function refresh(): Promise<void> {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  let pause = EVERY;
  try {
    const { data, warnings } = await ask<Status>(STATUS, {}, { waiting: sayWaiting });
    show(data, warnings);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    notices.replaceChildren(troubleNotice(error, () => void refresh()));
    if (tables.hasChildNodes()) notices.append(notice("Below is what the API said last."));
    else state.textContent = "";
    pause = Math.max(EVERY, error.retryAfter ?? 0);
  } finally {
    asking = false;
  }
  timer = setTimeout(() => document.hidden || void refresh(), pause * 1000);
}

function sayWaiting(waiting: boolean): void {
  if (waiting) notices.replaceChildren(notice(`No answer for ${LONG} seconds. It may still come.`));
}

followTheme();
document.addEventListener("visibilitychange", () => document.hidden || void refresh());
void refresh();
