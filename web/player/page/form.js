// The page of a model that takes named tensors, which page.js loads for those alone.

const $ = (id) => document.getElementById(id);

/** A model of named tensors: a field of numbers for each. */
export function form(net, fail) {
  const { model, inputs, outputs } = net.info, add = (to, tag, all) => to.appendChild(Object.assign(document.createElement(tag), all));
  document.title = $("title").textContent = model;
  $("about").textContent = "Numbers, separated by spaces or commas: everything happens in this page.";
  $("loading").hidden = true;
  $("input").replaceChildren();
  $("result").replaceChildren();
  const fields = inputs.map(({ name, dtype, shape }) => {
    const n = shape.reduce((a, b) => a * b, 1), label = add($("input"), "label", { textContent: `${name} ${dtype}[${shape.join(", ")}]` });
    return [name, add(label, "textarea", { rows: 3, value: new Array(n).fill(0).join(" ") })];
  });
  const results = outputs.map(() => add($("result"), "pre"));
  add($("input"), "button", { type: "button", textContent: "Run" }).onclick = async () => {
    try {
      const y = await net(Object.fromEntries(fields.map(([name, f]) => [name, f.value.split(/[\s,;]+/).filter(Boolean).map(Number)])));
      outputs.forEach(({ name }, i) => (results[i].textContent = `${name}: ${y[name].subarray(0, 200).join(" ")}${y[name].length > 200 ? " …" : ""}`));
      $("error").hidden = true;
    } catch (e) {
      fail(e);
    }
  };
  $("input").append($("error"));
  $("stage").hidden = false;
  document.documentElement.dataset.ready = "yes";
}
