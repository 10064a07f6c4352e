// Emulators of the screen: xterm.js with each of its tables of widths. Input lines:
// {"size":[columns,rows]} starts, {"write":base64} writes, {"dump":true} prints the
// cells of each emulator, {"version":[row][column]text}. A row that continues the row above
// because of its width has one more cell.
import { createInterface } from 'node:readline'
import headless from '@xterm/headless'
import unicode11 from '@xterm/addon-unicode11'
import graphemes from '@xterm/addon-unicode-graphemes'

const versions = ['6', '11', '15-graphemes']
let terminals = []
// xterm.js loses a character of three bytes if two of them come in one write.
let decoder
for await (const line of createInterface({ input: process.stdin })) {
  const { size, write, dump } = JSON.parse(line)
  if (size) {
    decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    terminals = versions.map((version) => {
      const t = new headless.Terminal({ cols: size[0], rows: size[1], allowProposedApi: true })
      t.loadAddon(new unicode11.Unicode11Addon())
      t.loadAddon(new graphemes.UnicodeGraphemesAddon())
      t.unicode.activeVersion = version
      return t
    })
  }
  if (write) {
    const text = decoder.decode(Buffer.from(write, 'base64'), { stream: true })
    await Promise.all(terminals.map((t) => new Promise((done) => t.write(text, done))))
  }
  if (dump) {
    const screens = terminals.map((t, i) => {
      const rows = []
      for (let y = 0; y < t.rows; y++) {
        const row = t.buffer.active.getLine(t.buffer.active.viewportY + y)
        const cells = Array.from({ length: t.cols }, (_, x) => row.getCell(x).getWidth() === 0 ? '' : row.getCell(x).getChars() || ' ')
        rows.push(row.isWrapped ? [...cells, 'wrapped'] : cells)
      }
      return [versions[i], rows]
    })
    console.log(JSON.stringify(Object.fromEntries(screens)))
  }
}
