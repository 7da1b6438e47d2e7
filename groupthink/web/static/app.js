// The pages by the names that addresses give them.

import { html, render, useEffect, useRef } from "./parts/html.js";
import { useRoute, link, go } from "./parts/route.js";
import { isStatic, runOfFile } from "./parts/api.js";
import { Page, Guard } from "./parts/page.js";
import Runs from "./pages/runs.js";
import Run from "./pages/run.js";
import Step from "./pages/step.js";
import Group from "./pages/group.js";
import Response from "./pages/response.js";
import Problems from "./pages/problems.js";
import Problem from "./pages/problem.js";
import Search from "./pages/search.js";
import Chat from "./pages/chat.js";
import Notes from "./pages/notes.js";
import Seed from "./pages/seed.js";

const PAGES = {
  runs: Runs,
  run: Run,
  step: Step,
  group: Group,
  response: Response,
  problems: Problems,
  problem: Problem,
  search: Search,
  chat: Chat,
  notes: Notes,
  seed: Seed,
};

function App() {
  const { page, params } = useRoute();
  useFreshPage(page, params.run);
  const Shown = Object.hasOwn(PAGES, page) ? PAGES[page] : Unknown;
  return html`<${Guard} of=${location.hash}><${Shown} key=${page} params=${params} page=${page} /></${Guard}>`;
}

// Another page begins at its top, with the focus on its content; another state of the same page stays where it is.
function useFreshPage(page, run) {
  const before = useRef(null);
  useEffect(() => {
    if (before.current !== null) {
      scrollTo(0, 0);
      document.getElementById("main")?.focus({ preventScroll: true });
    }
    before.current = page;
  }, [page, run]);
}

function Unknown({ page }) {
  return html`<${Page} title="There is no such page">
    <p>Nothing is called “${page}” here. <a href=${link("runs")}>The runs</a> are the place to begin.</p>
  </${Page}>`;
}

if (isStatic && !location.hash) go("run", { run: runOfFile() }, true);
render(html`<${App} />`, document.getElementById("app"));
