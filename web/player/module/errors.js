/** Whatever an exported model throws, but for what a kernel's compiler says. */
export class WeftError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** What was given to the model cannot be its input. */
export class InputError extends WeftError {}
