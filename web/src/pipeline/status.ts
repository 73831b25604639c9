/** What status.graphql asks. Each value may be missing all the same: the page shows what it gets. */

export type Maybe<Value> = Value | null | undefined;

export interface Run {
  symbol: Maybe<string>;
  task: Maybe<string>;
  state: Maybe<string>;
  startedAt: Maybe<string>;
  endedAt: Maybe<string>;
  rows: Maybe<number>;
}

export interface Load {
  symbol: Maybe<string>;
  source: Maybe<string>;
  from: Maybe<string>;
  to: Maybe<string>;
  rows: Maybe<number>;
  loadedAt: Maybe<string>;
  rawObject: Maybe<string>;
  sha256: Maybe<string>;
}

export interface QualityWarning {
  symbol: Maybe<string>;
  kind: Maybe<string>;
  source: Maybe<string>;
  from: Maybe<string>;
  to: Maybe<string>;
  bars: Maybe<number>;
  message: Maybe<string>;
}

export interface Market {
  symbol: Maybe<string>;
  sources: Maybe<Maybe<string>[]>;
  synthetic: Maybe<boolean>;
  freshness: Maybe<{
    firstBar: Maybe<string>;
    dataThrough: Maybe<string>;
    ageSeconds: Maybe<number>;
    stale: Maybe<boolean>;
    nextRefreshAt: Maybe<string>;
  }>;
}

export interface Status {
  pipeline: Maybe<{
    state: Maybe<string>;
    lastRunAt: Maybe<string>;
    lastSuccessAt: Maybe<string>;
    visualiserUrl: Maybe<string>;
    recentRuns: Maybe<Run[]>;
    recentLoads: Maybe<Load[]>;
    qualityWarnings: Maybe<QualityWarning[]>;
  }>;
  markets: Maybe<Market[]>;
  server: Maybe<{ version: Maybe<string>; database: Maybe<string>; timescaledb: Maybe<string>; edition: Maybe<string> }>;
}
