// The names of a model's classes, from a text with one in each line.

export function parseNames(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Names that do not fit a model, in words; shifted are names that would, where the difference is a known one. */
export interface Misfit {
  text: string;
  shifted?: string[];
}

/** misfit compares names with the number of a model's answers. Networks of TensorFlow's family were trained with a class "background" before ImageNet's 1000. */
export function misfit(file: string, names: readonly string[], outputs: number): Misfit | undefined {
  if (names.length === outputs) return undefined;
  const text = `${file} has ${names.length} names, but the model has ${outputs} answers: the names are not used.`;
  if (names.length === outputs - 1) return { text: `${text} Some networks put "background" before all other classes.`, shifted: ['background', ...names] };
  if (names.length === outputs + 1 && /background/i.test(names[0] ?? '')) return { text: `${text} Its first name, "${names[0]}", is a class that this model may lack.`, shifted: names.slice(1) };
  return { text };
}
