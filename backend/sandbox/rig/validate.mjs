// @aws/cloudformation-validate judges templates with its bundled schemas and rules.
// The templates are JSON on standard input, by name. The answer is a JSON object
// of lists of findings by name; notes (INFO) are left out. This file uses no code
// of usher.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import validate from '@aws/cloudformation-validate';

const folder = mkdtempSync(join(tmpdir(), 'template-'));
const engine = new validate.RegoEngine();
const out = {};
try {
  for (const [name, template] of Object.entries(JSON.parse(readFileSync(0, 'utf8')))) {
    const file = join(folder, 'template.json');
    writeFileSync(file, JSON.stringify(template));
    const report = engine.validateStandard(new validate.TemplateFile(file), { severityLevel: 'WARN' });
    out[name] = report.diagnostics.map((d) => `${d.severity} ${d.ruleId} ${d.message}`);
  }
} finally {
  engine.free();
  rmSync(folder, { recursive: true });
}
process.stdout.write(JSON.stringify(out));
