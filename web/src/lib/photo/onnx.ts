import { ModelError, type Files } from './plan';

/** converted makes an export of an ONNX file. */
export async function converted(file: File): Promise<Files> {
  throw new ModelError(`${file.name}: not yet.`);
}
