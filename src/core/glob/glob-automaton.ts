/** Compiled path globs: a bit-parallel automaton that reads a path once. Each state is a bit; the
 *  set bits record which prefixes of which patterns match what was read so far. Each character
 *  costs a few operations per 32 characters of all patterns together. */

import { addTo } from '../groups.ts'

export type Token =
  | { kind: 'character'; character: string }
  | { kind: 'any' }
  | { kind: 'star' }
  | { kind: 'set'; negated: boolean; ranges: [first: string, last: string][] }

export const globstar = Symbol('**')
export type SegmentPattern = Token[] | typeof globstar

/** Returns a function that reports whether a path matches at least one of the patterns. */
export function createGlobMatcher(patterns: SegmentPattern[][]): (path: string) => boolean {
  const { starts, accepts, stars, globstars, slashes, toggles } = statesOf(patterns)
  const [started, accepted, starred, anywhere] = [starts, accepts, stars, globstars].map((states) =>
    bitsOf(states, toggles.length),
  ) as [Int32Array, Int32Array, Int32Array, Int32Array]
  const findMoves = createMoves(toggles)
  const slashMoves = bitsOf(slashes, toggles.length)
  const stays = starred.map((bits, word) => bits | anywhere[word]!)
  // What follows `**` begins a segment, unless it begins with `*` itself.
  const leaves = starred.map((bits, word) => bits | ~anywhere[word]!)
  const states = new Int32Array(started.length)

  const step = (moves: Int32Array, stay: Int32Array, isSegmentStart: boolean): boolean => {
    let carried = 0
    let isAlive = false
    for (let word = 0; word < states.length; word++) {
      const state = states[word]!
      const moving = (isSegmentStart ? state : state & leaves[word]!) & moves[word]!
      const next = (moving << 1) | carried | (state & stay[word]!)
      states[word] = next
      carried = moving >>> 31
      isAlive ||= next !== 0
    }
    return isAlive
  }

  return (path) => {
    states.set(started)
    let isSegmentStart = true
    for (let at = 0; at < path.length; at++) {
      const code = path.codePointAt(at)!
      if (code > 0xffff) at += 1
      const isSlash = code === slash
      const isAlive = isSlash
        ? step(slashMoves, anywhere, isSegmentStart)
        : step(findMoves(code), stays, isSegmentStart)
      if (!isAlive) return false
      isSegmentStart = isSlash
    }
    return states.some((bits, word) => (bits & accepted[word]!) !== 0)
  }
}

const slash = 0x2f

interface States {
  starts: number[]
  accepts: number[]
  /** States that a path can stay in: within its segment (`stars`), or across segments
   *  (`globstars`). */
  stars: number[]
  globstars: number[]
  /** States that a slash advances to the next one. */
  slashes: number[]
  /** For each state, the code points at which the set of non-slash characters that advance it
   *  begins or ends, in turn. */
  toggles: number[][]
}

function statesOf(patterns: SegmentPattern[][]): States {
  const states: States = {
    starts: [],
    accepts: [],
    stars: [],
    globstars: [],
    slashes: [],
    toggles: [],
  }
  for (const pattern of patterns) {
    states.starts.push(states.toggles.length)
    pattern.forEach((segment, index) => {
      const isLast = index === pattern.length - 1
      if (segment === globstar) {
        states.globstars.push(states.toggles.length)
        return
      }
      for (const token of segment) {
        if (token.kind === 'star') states.stars.push(states.toggles.length)
        else states.toggles.push(togglesOf(token))
      }
      // Paths have no empty segments, so an empty pattern segment matches nothing: no character
      // advances its state.
      if (segment.length === 0) states.toggles.push([])
      if (isLast) return
      states.slashes.push(states.toggles.length)
      states.toggles.push([])
    })
    states.accepts.push(states.toggles.length)
    states.toggles.push([])
  }
  return states
}

function togglesOf(token: Exclude<Token, { kind: 'star' }>): number[] {
  switch (token.kind) {
    case 'any':
      return [0]
    case 'character': {
      const code = token.character.codePointAt(0)!
      return [code, code + 1]
    }
    case 'set': {
      const toggles = token.negated ? [0] : []
      let end = 0
      const ranges = token.ranges.map(([first, last]) => [
        first.codePointAt(0)!,
        last.codePointAt(0)! + 1,
      ]) as [number, number][]
      for (const [first, behind] of ranges.sort(([a], [b]) => a - b)) {
        if (behind <= end || behind <= first) continue
        toggles.push(Math.max(first, end), behind)
        end = behind
      }
      return toggles
    }
  }
}

/** Returns a function that maps a code point to the states it advances. */
function createMoves(toggles: number[][]): (code: number) => Int32Array {
  const byCode = new Map<number, number[]>([[0, []]])
  toggles.forEach((codes, state) => {
    for (const code of codes) addTo(byCode, code, state)
  })
  const begins = [...byCode.keys()].sort((a, b) => a - b)
  let last = bitsOf([], toggles.length)
  const moves = begins.map((code) => {
    last = last.slice()
    for (const state of byCode.get(code)!) last[state >>> 5]! ^= 1 << (state & 31)
    return last
  })
  return (code) => {
    let [low, high] = [0, begins.length]
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (begins[middle]! <= code) low = middle
      else high = middle
    }
    return moves[low]!
  }
}

function bitsOf(states: number[], count: number): Int32Array {
  const bits = new Int32Array((count + 31) >>> 5)
  for (const state of states) bits[state >>> 5]! |= 1 << (state & 31)
  return bits
}
