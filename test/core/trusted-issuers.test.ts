import { expect, test } from 'vitest'
import { parseTrustedIssuers } from '../../src/core/access/trusted-issuers.ts'

test('issuers speak for the projects listed with them', () => {
  const text =
    ' https://a.example.com/=octo/*  https://b.example.com/x=octo/app https://a.example.com=ACME/t?'
  const issuers = parseTrustedIssuers(text)
  expect(issuers.map(({ issuer }) => issuer)).toEqual([
    'https://a.example.com',
    'https://b.example.com/x',
  ])
  const [a, b] = issuers
  const speaking = (projects: string[]) =>
    projects.map((project) => [a!.speaksFor(project), b!.speaksFor(project)])
  expect(speaking(['octo/app', 'Octo/App', 'acme/T1', 'acme/tt1', 'octo2/app'])).toEqual([
    [true, true],
    [true, true],
    [true, false],
    [false, false],
    [false, false],
  ])
  expect(parseTrustedIssuers('  ')).toEqual([])
})

test.each([
  ['acme/*', ['acme/api']],
  ['acme/**', ['acme/api', 'acme/platform/api', 'acme/platform/tools/api']],
  ['acme/platform/*', ['acme/platform/api']],
  ['acme/**/api', ['acme/api', 'acme/platform/api', 'acme/platform/tools/api']],
  ['acme/platform', []],
])('%s speaks for %j', (glob, spokenFor) => {
  const [issuer] = parseTrustedIssuers(`https://a.example.com=${glob}`)
  const projects = [
    'acme/api',
    'acme/platform/api',
    'acme/platform/tools/api',
    'acme2/api',
    'x/acme/api',
  ]
  expect(projects.filter((project) => issuer!.speaksFor(project))).toEqual(spokenFor)
})

test.each([
  'https://a.example.com',
  'https://a.example.com=',
  'https://a.example.com=*',
  'https://a.example.com=**',
  'https://a.example.com=a//c',
  'https://a.example.com=a~b/c',
  'http://a.example.com=octo/*',
  'a.example.com=octo/*',
  'https://a.example.com?x=octo/*',
  '=octo/*',
])('%s is rejected', (text) => {
  expect(() => parseTrustedIssuers(text)).toThrow('must be ISSUER=OWNER/REPO')
})

test('an issuer on this machine needs no certificate', () => {
  expect(parseTrustedIssuers('http://127.0.0.1:3000=octo/*')).toHaveLength(1)
})
