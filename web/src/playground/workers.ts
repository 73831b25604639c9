/** Monaco's workers, from this server. */

import type { Environment } from "monaco-editor";

declare const WORKERS: { editorWorkerService: string; json: string; graphql: string }; // the build's

const environment: Environment = {
  getWorker: (_id, label) =>
    new Worker(label in WORKERS ? WORKERS[label as keyof typeof WORKERS] : WORKERS.editorWorkerService),
};
Object.assign(globalThis, { MonacoEnvironment: environment });
