// Runs every case with every JavaScript client against the server that run.sh has started.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { cases, Lacks } from './cases.js'
import * as confluent from './confluent.js'
import * as kafkajs from './kafkajs.js'
import * as platformatic from './platformatic.js'

const CASE_DEADLINE_MS = 60_000

const [script, dir, results] = process.argv.slice(2)
const bootstrap = readFileSync(join(dir, 'bootstrap'), 'utf8').trim()

// The clients must be free to see their connections close meanwhile.
const server = verb => promisify(execFile)(script, [verb, dir])

const versionOf = module =>
  JSON.parse(readFileSync(new URL(`node_modules/${module}/package.json`, import.meta.url))).version

// A client that never settles must not keep the other cases from running.
async function attempt (run, trial) {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${CASE_DEADLINE_MS / 1000} s`)), CASE_DEADLINE_MS + 1000)
  })
  try {
    return await Promise.race([run(trial), late])
  } finally {
    clearTimeout(timer)
  }
}

const oneLine = error => {
  const causes = [error, ...(error.errors ?? []), error.cause].filter(Boolean)
  return causes.map(e => `${e.name}: ${e.message}`).join(' | ').replace(/\s+/g, ' ')
}

// Clients also fail outside of any call of ours; the case that runs then is the one to blame.
let stray = []
process.on('unhandledRejection', error => stray.push(error))
process.on('uncaughtException', error => stray.push(error))

let passed = 0
let failed = 0
let skipped = 0
for (const { name, module, connect } of [kafkajs, platformatic, confluent]) {
  const client = await connect(bootstrap)
  const lines = []
  for (const [kind, run] of Object.entries(cases)) {
    stray = []
    const trial = { client, server, name: `${name}-${kind}`, deadline: Date.now() + CASE_DEADLINE_MS }
    let outcome
    try {
      const note = await attempt(run, trial)
      if (stray.length > 0) throw stray[0]
      passed++
      outcome = note ? `ok ${note}` : 'ok'
    } catch (error) {
      if (error instanceof Lacks) skipped++
      else failed++
      outcome = error instanceof Lacks ? `none ${error.message}` : `fail ${oneLine(error)}`
    }
    lines.push(`CASE ${name} ${versionOf(module)} ${kind} ${outcome}`)
    console.log(lines.at(-1))
  }
  writeFileSync(join(results, `${name}.txt`), lines.join('\n') + '\n')
  await client.close()
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
// Else a client that a failed case has left open would keep the process alive.
process.exit(failed > 0 ? 1 : 0)
