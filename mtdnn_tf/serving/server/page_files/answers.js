// What is asked of a model, and what its answer says of each task. Nothing here touches the page.

async function predict(model, body) {
  const path = `v1/models/${encodeURIComponent(model.name)}:predict`;
  const begun = performance.now();
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("the server does not answer");
  }
  const text = await response.text();
  const milliseconds = performance.now() - begun;
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`the server sent no JSON (status ${response.status})`);
  }
  if (!response.ok) throw new Error(value.error ?? `status ${response.status}`);
  const inside = /dur=([0-9.]+)/.exec(response.headers.get("Server-Timing") ?? "");
  return { outputs: value.outputs, milliseconds, inside: inside ? Number(inside[1]) : 0 };
}

function classification(task, label, probabilities, names) {
  const bars = probabilities.map((share, index) => ({ name: String(names[index]), share: Number(share) }));
  return { task, label: String(label), bars };
}

// The default signature answers all tasks, under outputs named by task.
async function askTogether(model, a, b) {
  const { outputs, ...times } = await predict(model, { inputs: { text_a: [a], text_b: [b] } });
  const answers = [];
  const leftOut = [];
  for (const name of Object.keys(outputs).sort()) {
    const found = /^(.*)_(probabilities|score)$/s.exec(name);
    if (!found) continue;
    const [, task, kind] = found;
    const value = outputs[name][0];
    if (outputs[`${task}_applicable`]?.[0] === false) {
      leftOut.push(task);
    } else if (kind === "score") {
      answers.push({ task, score: Number(value) });
    } else {
      answers.push(classification(task, outputs[`${task}_label`][0], value, outputs[`${task}_label_names`][0]));
    }
  }
  return { answers, leftOut, ...times };
}

// Without such a signature each task's own is asked, one after the other.
async function askEach(model, a, b) {
  const texts = b ? { text_a: [a], text_b: [b] } : { text_a: [a] };
  const all = { answers: [], leftOut: [], milliseconds: 0, inside: 0 };
  for (const { name, texts: count } of model.tasks) {
    if (count !== Object.keys(texts).length) {
      all.leftOut.push(name);
      continue;
    }
    const { outputs, milliseconds, inside } = await predict(model, { signature_name: name, inputs: texts });
    all.milliseconds += milliseconds;
    all.inside += inside;
    if (Array.isArray(outputs)) all.answers.push({ task: name, score: Number(outputs[0]) }); // Its only output.
    else if ("score" in outputs) all.answers.push({ task: name, score: Number(outputs.score[0]) });
    else all.answers.push(classification(name, outputs.label[0], outputs.probabilities[0], outputs.label_names[0]));
  }
  return all;
}

// Returns {answers: [{task, label, bars} or {task, score}], leftOut: [task], milliseconds, inside} or {problem}.
export async function ask(model, a, b) {
  try {
    return await (model.together ? askTogether(model, a, b) : askEach(model, a, b));
  } catch (error) {
    return { answers: [], leftOut: [], problem: error.message };
  }
}
