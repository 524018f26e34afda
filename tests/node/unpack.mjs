// What meshoptimizer's own decoder makes of each packed view of a GLB: a JSON list of base64, null for other views.
import { readFileSync } from "node:fs";
import { MeshoptDecoder } from "meshoptimizer";

await MeshoptDecoder.ready;
const file = readFileSync(process.argv[2]);
const size = file.readUInt32LE(12);
const { bufferViews } = JSON.parse(file.subarray(20, 20 + size));
const binary = file.subarray(28 + size);
const unpacked = bufferViews.map(({ extensions }) => {
  const view = extensions?.EXT_meshopt_compression;
  if (!view) return null;
  const data = new Uint8Array(view.count * view.byteStride);
  const source = binary.subarray(view.byteOffset, view.byteOffset + view.byteLength);
  MeshoptDecoder.decodeGltfBuffer(data, view.count, view.byteStride, source, view.mode, view.filter);
  return Buffer.from(data).toString("base64");
});
console.log(JSON.stringify(unpacked));
