import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "../page.css";
import "./playground.css";
import "./workers";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { useEffect, useMemo, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { LONG, type Trouble } from "../ask";
import { troubleNotice } from "../notice";
import { followTheme, seenTheme } from "../theme";
import { examplesOf, findSubject, type Subject } from "./examples";
import { createFetcher } from "./fetcher";
import { LinkButton } from "./link";
import { EXAMPLES_PANEL } from "./panel";

const PLUGINS = [EXAMPLES_PANEL, HISTORY_PLUGIN];

/** What the address asks for: /graphql?query=...&variables=... */
function linked(): { query: string; variables: string } | null {
  const { searchParams } = new URL(location.href);
  const query = searchParams.get("query");
  return query === null ? null : { query, variables: searchParams.get("variables") ?? "" };
}

/**
 * The tab that was open on the last visit, as GraphiQL keeps it. GraphiQL opens it too, but empty, unless
 * something was written in it.
 */
function remembered(): { query: string; variables: string } | null {
  try {
    const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem("graphiql:tabState") ?? "{}");
    const { query, variables } = tabs[activeTabIndex];
    return typeof query === "string" ? { query, variables: typeof variables === "string" ? variables : "" } : null;
  } catch {
    return null; // nothing is kept, or nothing of use: the examples are opened
  }
}

function Playground({ subject }: { subject: Subject }) {
  const [theme, setTheme] = useState(seenTheme());
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [schemaless, setSchemaless] = useState<string | null>(null);
  const [waiting, setWaiting] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => followTheme(setTheme), []);
  // A new fetcher makes GraphiQL ask for the schema again.
  const fetcher = useMemo(() => createFetcher({ trouble: setTrouble, schemaless: setSchemaless, waiting: setWaiting }), [attempt]);
  const [tabs] = useState(() => {
    const examples = examplesOf(subject).map(({ query, variables }) => ({ query, variables }));
    const link = linked();
    return { opened: link ?? remembered() ?? examples[0], first: link ? [link, ...examples] : examples };
  });
  return (
    <>
      <div className="notices" role="status">
        {trouble && <Notice trouble={trouble} again={() => setAttempt(attempt + 1)} />}
        {schemaless && (
          <p className="notice">This server does not tell its schema ({schemaless}). Queries run, without completion and documentation.</p>
        )}
        {waiting && <p className="notice">No answer for {LONG} seconds. It may still come; the stop button ends waiting for it.</p>}
      </div>
      <div className="graphiql">
        <GraphiQL
          fetcher={fetcher}
          forcedTheme={theme}
          plugins={PLUGINS}
          defaultTabs={tabs.first}
          {...(tabs.opened && { initialQuery: tabs.opened.query, initialVariables: tabs.opened.variables })}
          defaultEditorToolsVisibility="variables"
          showPersistHeadersSettings={false}
        >
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
          <GraphiQL.Toolbar>
            {({ prettify, copy, merge }) => (
              <>
                {prettify}
                {merge}
                {copy}
                <LinkButton />
              </>
            )}
          </GraphiQL.Toolbar>
        </GraphiQL>
      </div>
    </>
  );
}

function Notice({ trouble, again }: { trouble: Trouble; again: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    place.current?.replaceChildren(troubleNotice(trouble, again));
  }, [trouble]);
  return <div ref={place} />;
}

const root = createRoot(document.querySelector("main")!);
void findSubject().then((subject) => root.render(<Playground subject={subject} />));
