// The input of tasks that act: what is observed, as numbers, and an episode from there, every action of which is asked for.

import * as cartPole from "./cart-pole.js";
import { button, h } from "./elements.js";
import { instancesRequest } from "./requests.js";
import { tableInput } from "./table.js";

const ENVIRONMENTS = { "cart-pole": cartPole };

/** As for `tableInput`; an environment that is not played here has its form only. */
export function controlInput(context) {
  const { model, examples, send, onrequest, onproblem } = context;
  const { actions, columns, environment } = model.codec;
  const world = ENVIRONMENTS[environment];
  if (!world) return tableInput(context);

  const stage = world.stage();
  const said = h("span", { role: "status" });
  const play = button("Play an episode", () => (run ? stop() : episode()));
  const table = tableInput({ ...context, onrequest: (request) => (place(request.instances[0]), onrequest(request)) });
  let first; // where the next episode begins
  let run = null; // the episode that is played

  const named = (state) => Object.fromEntries(columns.map((name, number) => [name, state[number]]));

  function place(observed) {
    stop();
    first = columns.map((name) => observed[name]);
    stage.draw(first);
    said.textContent = "";
  }

  function stop() {
    run = null;
    play.textContent = "Play an episode";
  }

  async function episode() {
    const mine = (run = {});
    play.textContent = "Stop";
    said.textContent = "";
    try {
      const sentence = await steps(first, () => run === mine);
      if (run === mine) said.textContent = sentence;
    } catch (error) {
      if (run === mine) onproblem(error.message);
    }
    if (run === mine) stop();
  }

  /** In the environment's own time; how it ended. */
  async function steps(state, goesOn) {
    for (let count = 1; goesOn(); count++) {
      const next = performance.now() + 1000 * world.SECONDS;
      const { predictions } = await send(instancesRequest(model, [named(state)]), false);
      if (!goesOn()) return "";
      const action = actions.indexOf(predictions[0].action);
      state = world.step(state, action);
      stage.draw(state, action);
      const end = world.ending(state) || (count === world.MAX_STEPS && "The time was up");
      if (end) return `${end} after ${count} step${count === 1 ? "" : "s"}.`;
      await new Promise((resolve) => setTimeout(resolve, next - performance.now()));
    }
    return "";
  }

  place(examples.instances[0]?.instance ?? named(world.start()));
  const element = h(
    "div",
    { className: "stack" },
    stage.element,
    h("div", { className: "row" }, play, button("New start", () => table.take(named(world.start()))), said),
    table.element,
  );
  return { element, hint: table.hint, dispose: stop };
}
