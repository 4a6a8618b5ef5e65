// Coverage is that of the specs' own processes. To write what each command and each peer that a spec starts has reached takes as long as all
// that it does, and reading that of hundreds minutes.
delete process.env['NODE_V8_COVERAGE'];
