// The Khronos glTF validator's report on each file that is named, as a JSON list.
import { readFileSync } from "node:fs";
import validator from "gltf-validator";

const files = process.argv.slice(2);
const reports = await Promise.all(files.map((file) => validator.validateBytes(new Uint8Array(readFileSync(file)))));
console.log(JSON.stringify(reports));
