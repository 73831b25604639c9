/** The button that copies a link to the playground with what stands in it. */

import { ToolbarButton, useGraphiQL } from "@graphiql/react";
import { useState } from "react";

export function LinkButton() {
  const [copied, setCopied] = useState(false);
  const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({ queryEditor, variableEditor }));
  const copy = async () => {
    const link = new URL("/graphql", location.href);
    link.searchParams.set("query", queryEditor?.getValue() ?? "");
    const variables = variableEditor?.getValue();
    if (variables) link.searchParams.set("variables", variables);
    history.replaceState(null, "", link); // where there is no clipboard (plain HTTP), it stands in the address bar
    await navigator.clipboard?.writeText(link.href);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <ToolbarButton label={copied ? "Copied" : "Copy a link to this query"} onClick={() => void copy()}>
      <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" aria-hidden="true">
        <path d="M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7L12 17.7" />
      </svg>
    </ToolbarButton>
  );
}
