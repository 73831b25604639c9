/**
 * Builds the pages into ../graphql_api/static, which the server serves as it is.
 *
 * A page is src/<page>/index.html with its entry main.ts(x). All else that a page needs (scripts, styles, fonts,
 * workers) is named after its content, so that browsers may keep it for good, and lies beside a copy compressed
 * by gzip. The folder is put in its place when it is whole.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = join(HERE, "..", "graphql_api", "static");
const NEXT = `${TARGET}.next`;
const PAGES = {
  chart: { entry: "src/chart/main.ts", address: "/" },
  playground: { entry: "src/playground/main.tsx", address: "/graphql" },
  pipeline: { entry: "src/pipeline/main.ts", address: "/pipeline" },
};
// Where Monaco, the playground's editor, does its work beside the page: by the labels that it asks for.
const WORKERS = {
  editorWorkerService: "monaco-editor/esm/vs/editor/editor.worker.js",
  json: "monaco-editor/esm/vs/language/json/json.worker.js",
  graphql: "monaco-graphql/esm/graphql.worker.js",
};
const LEAST_COMPRESSED = 1_400; // bytes: less fits into one packet in any case
const BROWSERS = ["chrome123", "firefox120", "safari17.5"]; // those that know light-dark() in CSS

const common = {
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  keepNames: true, // GraphiQL's icons are called after their functions
  metafile: true,
  write: false,
  outdir: NEXT,
  publicPath: "/static",
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  target: BROWSERS,
  legalComments: "linked",
  logLevel: "warning",
  loader: { ".graphql": "text", ".ttf": "file", ".svg": "dataurl" },
  define: { "process.env.NODE_ENV": '"production"' },
};

/** Returns what was built from each entry: the entry's name to the names of its script and its style. */
function namesOf(built) {
  const outputs = Object.entries(built.metafile.outputs);
  return Object.fromEntries(
    outputs
      .filter(([, output]) => output.entryPoint)
      .map(([path, output]) => [
        output.entryPoint,
        { script: basename(path), style: output.cssBundle && basename(output.cssBundle) },
      ]),
  );
}

async function write(name, contents) {
  await writeFile(join(NEXT, name), contents);
  if (contents.length >= LEAST_COMPRESSED) await writeFile(join(NEXT, `${name}.gz`), gzipSync(contents, { level: 9 }));
}

const workers = await build({ ...common, entryPoints: Object.values(WORKERS), format: "iife" });
const workerNames = namesOf(workers);
const workerAddresses = Object.fromEntries(
  Object.entries(WORKERS).map(([label, path]) => [label, `/static/${workerNames[join("node_modules", path)].script}`]),
);
const pages = await build({
  ...common,
  entryPoints: Object.entries(PAGES).map(([page, { entry }]) => ({ in: entry, out: page })),
  format: "esm",
  splitting: true,
  jsx: "automatic",
  define: { ...common.define, WORKERS: JSON.stringify(workerAddresses) },
});

await rm(NEXT, { recursive: true, force: true });
await mkdir(NEXT, { recursive: true });
const names = namesOf(pages);
const styles = new Set(Object.values(names).map(({ style }) => style));
for (const { path, contents } of [...workers.outputFiles, ...pages.outputFiles]) {
  const name = relative(NEXT, path);
  // A part that is loaded later has its style in its page's already; esbuild makes another, which nothing loads.
  if (!name.endsWith(".css") || styles.has(name)) await write(name, contents);
}
const icon = await readFile(join(HERE, "src", "icon.svg"));
const iconName = `icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
await write(iconName, icon);
const header = await readFile(join(HERE, "src", "header.html"), "utf8");
for (const [page, { entry, address }] of Object.entries(PAGES)) {
  const { script, style } = names[entry];
  const links = [
    `<link rel="icon" href="/static/${iconName}">`,
    ...(style ? [`<link rel="stylesheet" href="/static/${style}">`] : []),
    `<script type="module" src="/static/${script}"></script>`,
  ];
  const parts = {
    "<!-- built -->": links.join("\n"),
    "<!-- header -->": header.replace(`<a href="${address}">`, `<a href="${address}" aria-current="page">`),
  };
  const html = await readFile(join(HERE, "src", page, "index.html"), "utf8");
  await writeFile(join(NEXT, `${page}.html`), html.replace(/<!-- \w+ -->/g, (part) => parts[part]));
}
await rm(TARGET, { recursive: true, force: true });
await rename(NEXT, TARGET);
