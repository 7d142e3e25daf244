// Runs every case over every transport against the gateway that run.sh has started.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { cases, measured } from './cases.js'
import { World } from './world.js'

const CASE_DEADLINE_MS = 90_000

const [clients, dir, results, ...wanted] = process.argv.slice(2)
const version = JSON.parse(readFileSync(new URL('node_modules/@aws-sdk/client-kinesis/package.json', import.meta.url))).version

async function attempt (run, world) {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${CASE_DEADLINE_MS / 1000} s`)), CASE_DEADLINE_MS)
  })
  try {
    return await Promise.race([run(world), late])
  } finally {
    clearTimeout(timer)
  }
}

// The SDK also fails outside of any call of ours; the case that runs then is the one to blame.
let stray = []
process.on('unhandledRejection', error => stray.push(error))
process.on('uncaughtException', error => stray.push(error))

const worlds = ['h2c', 'http1', 'h2'].map(transport => new World(clients, dir, transport))
for (const world of worlds) {
  world.connect()
  await measured(world)
}
const lines = new Map(worlds.map(world => [world, '']))
let passed = 0
let failed = 0
// Case by case, so that all of them wait for the same minute of CloudWatch.
for (const [name, run] of Object.entries(cases)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  for (const world of worlds) {
    stray = []
    let line = `CASE ${world.name} ${version} ${name} `
    try {
      const note = await attempt(run, world)
      if (stray.length > 0) throw stray[0]
      passed++
      line += note ? `ok ${note}` : 'ok'
    } catch (error) {
      failed++
      line += `fail ${error.name}: ${error.message}`.replace(/\s+/g, ' ')
    }
    console.log(line)
    lines.set(world, `${lines.get(world)}${line}\n`)
  }
}
for (const world of worlds) writeFileSync(join(results, `${world.name}.txt`), lines.get(world))
console.log(`${passed} passed, ${failed} failed, 0 skipped`)
// Else a subscription that a failed case has left open would keep the process alive.
process.exit(failed > 0 || passed === 0 ? 1 : 0)
