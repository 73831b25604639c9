/** GraphiQL's panel with the examples: each opens in a tab of its own. */

import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useState } from "react";
import { type Example, examplesOf, findSubject } from "./examples";

function Icon() {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M4 3h12v14H4zM7 7h6M7 10h6M7 13h4" />
    </svg>
  );
}

function Panel() {
  const [examples, setExamples] = useState<Example[]>([]);
  const { addTab, changeTab, stop, updateActiveTabValues } = useGraphiQLActions();
  const { tabs, queryEditor, variableEditor } = useGraphiQL(({ tabs, queryEditor, variableEditor }) => ({
    tabs,
    queryEditor,
    variableEditor,
  }));
  useEffect(() => {
    void findSubject().then((subject) => setExamples(examplesOf(subject)));
  }, []);
  const open = ({ query, variables }: Example) => {
    stop(); // a subscription would go on, and answer in the new tab
    const place = tabs.findIndex((tab) => tab.query === query);
    if (place >= 0) return changeTab(place);
    addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables);
    updateActiveTabValues({ query, variables });
  };
  return (
    <section aria-label="Examples">
      <h2 className="examples-title">Examples</h2>
      <ul className="examples">
        {examples.map((example) => (
          <li key={example.title}>
            <button type="button" onClick={() => open(example)}>
              {example.title}
            </button>
            <p>{example.about}</p>
          </li>
        ))}
      </ul>
    </section>
  );
}

export const EXAMPLES_PANEL: GraphiQLPlugin = { title: "Examples", icon: Icon, content: Panel };
