// Everything that comes from a model or a person is put into the page as text, never as HTML.
import { ask } from "./answers.js";

const byId = (id) => document.getElementById(id);
const form = byId("question");
const texts = [byId("text_a"), byId("text_b")];
let models = [];
let asked = 0; // The number of the last question: an answer to an earlier one comes too late.

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function percent(share) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "no number";
}

function time(milliseconds) {
  return milliseconds < 10 ? `${milliseconds.toFixed(1)} ms` : `${Math.round(milliseconds)} ms`;
}

function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

function showModels(results) {
  const items = models.map((model, index) => {
    const item = element("li");
    item.append(element("strong", "", model.name), ` version ${model.version}`);
    if (model.max_sequence_length) item.append(element("span", "minor", `, reads ${model.max_sequence_length} word pieces`));
    const result = results?.[index];
    if (result && !result.problem && result.answers.length) {
      item.append(" · ", element("span", "time", time(result.milliseconds)));
      item.append(element("span", "minor", ` (server ${time(result.inside)})`));
    }
    return item;
  });
  byId("models").replaceChildren(...items);
}

function bars(answer) {
  const list = element("ul", "bars");
  for (const { name, share } of answer.bars) {
    const item = element("li", name === answer.label ? "first" : "");
    const track = element("div", "track");
    const fill = element("div", "fill");
    fill.style.width = `${Math.min(100, Math.max(0, 100 * share)) || 0}%`;
    track.append(fill);
    item.append(element("span", "name", name), element("span", "share", percent(share)), track);
    list.append(item);
  }
  return list;
}

function modelPart(model, answer) {
  const part = element("div", "model");
  if (models.length > 1) part.append(element("h3", "", model.name));
  if (!answer) {
    part.append(element("p", "none", "does not answer this"));
  } else if (answer.bars) {
    part.append(element("p", "answer", answer.label), bars(answer));
  } else {
    part.append(element("p", "answer", answer.score.toFixed(3)));
  }
  return part;
}

function taskCard(task, results) {
  const card = element("article", "task");
  const head = element("div", "head");
  head.append(element("h2", "", task));
  const answers = results.map((result) => result.answers.find((answer) => answer.task === task));
  const labels = new Set(answers.filter((answer) => answer?.bars).map((answer) => answer.label));
  if (labels.size > 1) head.append(element("span", "differ", "answers differ"));
  const parts = element("div", "models");
  parts.append(...models.map((model, index) => modelPart(model, answers[index])));
  card.append(head, parts);
  return card;
}

function showResults(results, isPair) {
  const tasks = [...new Set(results.flatMap((result) => result.answers.map((answer) => answer.task)))];
  byId("tasks").style.setProperty("--models", models.length);
  byId("tasks").replaceChildren(...tasks.map((task) => taskCard(task, results)));
  const leftOut = [...new Set(results.flatMap((result) => result.leftOut))].filter((task) => !tasks.includes(task));
  byId("left_out").textContent = leftOut.length
    ? `Asked only with ${isPair ? "a single text" : "a pair"}: ${leftOut.join(", ")}.`
    : "";
  const problems = results.flatMap((result, index) => (result.problem ? [`${models[index].name}: ${result.problem}`] : []));
  showProblem(problems.join(" · "));
  if (tasks.length) byId("told").textContent = `${tasks.length} ${tasks.length === 1 ? "task" : "tasks"} answered.`;
  else byId("told").textContent = problems.length ? "" : `No task takes ${isPair ? "a pair" : "a single text"}.`;
  showModels(results);
}

async function loadModels() {
  const response = await fetch("page/models");
  if (!response.ok) throw new Error();
  models = await response.json();
}

async function submit() {
  const [a, b] = texts.map((field) => field.value.trim());
  texts[0].removeAttribute("aria-invalid");
  if (!a) {
    texts[0].setAttribute("aria-invalid", "true");
    showProblem(b ? "The first text is empty." : "Type a text to ask about.");
    texts[0].focus();
    return;
  }
  showProblem("");
  if (matchMedia("(pointer: coarse)").matches) document.activeElement?.blur(); // A phone's keyboard hides the answers.
  const number = ++asked;
  byId("results").setAttribute("aria-busy", "true");
  byId("told").textContent = "Asking …";
  try {
    await loadModels(); // A new version may be served meanwhile.
  } catch {
    // Asking tells what is wrong.
  }
  // In turn, so that one model's time is not spent on another.
  const results = [];
  for (const model of models) results.push(await ask(model, a, b));
  if (number !== asked) return;
  byId("results").setAttribute("aria-busy", "false");
  if (models.length) showResults(results, Boolean(b));
  else showProblem("The server does not answer.");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
form.addEventListener("reset", () => {
  asked += 1;
  texts[0].removeAttribute("aria-invalid");
  showProblem("");
  for (const id of ["told", "left_out"]) byId(id).textContent = "";
  byId("tasks").replaceChildren();
  byId("results").setAttribute("aria-busy", "false");
  showModels();
  texts[0].focus();
});
for (const field of texts) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

loadModels().then(
  () => showModels(),
  () => showProblem("The server does not answer."),
);
