/** Selecting a server's proxy from the environment. */
import { expect, test } from 'vitest'
import { readClientConfig } from '../src/config/config.ts'
import { describeProxy } from '../src/core/http-proxy.ts'
import { isExempt } from '../src/config/proxy-environment.ts'
import { ConfigError, type Environment } from '../src/config/settings.ts'

const proxyFor = (url: string, env: Environment): string | undefined => {
  const { proxy } = readClientConfig({ url }, env)
  return proxy === null ? undefined : `${proxy.url} ${proxy.setting}`
}

test.each<[string, string, Environment, string | undefined]>([
  ['no proxy is set', 'https://store.lan', {}, undefined],
  ['one for https', 'https://store.lan', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1/ HTTPS_PROXY'],
  ['one for http', 'http://store.lan', { HTTP_PROXY: 'http://p:1' }, 'http://p:1/ HTTP_PROXY'],
  ['one for https only', 'http://store.lan', { HTTPS_PROXY: 'http://p:1' }, undefined],
  ['one for http only', 'https://store.lan', { http_proxy: 'http://p:1' }, undefined],
  [
    'the lower-case variable takes precedence',
    'https://store.lan',
    { HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:2' },
    'http://q:2/ https_proxy',
  ],
  [
    'an empty variable counts as absent',
    'https://store.lan',
    { HTTPS_PROXY: 'http://p:1', https_proxy: '' },
    'http://p:1/ HTTPS_PROXY',
  ],
  [
    'HTTP_PROXY in a CGI program is ignored, since it is a request header',
    'http://store.lan',
    { HTTP_PROXY: 'http://p:1', REQUEST_METHOD: 'GET' },
    undefined,
  ],
  [
    'http_proxy in a CGI program is used',
    'http://store.lan',
    { http_proxy: 'http://p:1', REQUEST_METHOD: 'GET' },
    'http://p:1/ http_proxy',
  ],
  [
    'https_proxy takes precedence over all_proxy',
    'https://store.lan',
    { all_proxy: 'http://p:1', HTTPS_PROXY: 'https://q' },
    'https://q/ HTTPS_PROXY',
  ],
  [
    'the scheme is optional',
    'http://store.lan',
    { http_proxy: 'proxy.lan:3128' },
    'http://proxy.lan:3128/ http_proxy',
  ],
  ['loopback', 'http://127.0.0.1:7878', { http_proxy: 'http://p:1' }, undefined],
  ['loopback by name', 'https://localhost:7878', { https_proxy: 'http://p:1' }, undefined],
  ['IPv6 loopback', 'http://[::1]:7878', { http_proxy: 'http://p:1' }, undefined],
  [
    'localhost is never proxied',
    'https://localhost:7878',
    { https_proxy: 'http://p:1' },
    undefined,
  ],
  ['IPv6 loopback is never proxied', 'http://[::1]:7878', { http_proxy: 'http://p:1' }, undefined],
  [
    'a name that looks like loopback is proxied',
    'http://127.example.org',
    { http_proxy: 'http://p:1' },
    'http://p:1/ http_proxy',
  ],
  [
    'no_proxy exempts the server',
    'https://store.lan',
    { https_proxy: 'http://p:1', no_proxy: 'store.lan', NO_PROXY: 'other.lan' },
    undefined,
  ],
  [
    'NO_PROXY exempts another server',
    'https://store.lan',
    { https_proxy: 'http://p:1', NO_PROXY: 'other.lan' },
    'http://p:1/ https_proxy',
  ],
  [
    'an unusable proxy is not reported if it is not used',
    'https://store.lan',
    { ALL_PROXY: 'socks5://p:1', NO_PROXY: '.lan' },
    undefined,
  ],
])('proxy from the environment: %s', (_case, url, env, wanted) => {
  expect(proxyFor(url, env)).toBe(wanted)
})

test.each<[string, string, boolean]>([
  ['http://store.lan', 'store.lan', true],
  ['http://store.lan', 'STORE.LAN', true],
  ['http://store.lan', 'other.lan, store.lan', true],
  ['http://store.lan', 'other.lan store.lan', true],
  ['http://store.lan', ' , ,', false],
  ['http://store.lan', '*', true],
  ['http://store.lan', 'other.lan,*', true],
  ['http://store.lan', 'lan', true],
  ['http://store.lan', '.lan', true],
  ['http://store.lan', '*.lan', true],
  ['http://store.lan', '.', false],
  ['http://store.lan', '.store.lan', true],
  ['http://store.lan.', 'store.lan', true],
  ['http://store.lan', 'store.lan.', true],
  ['http://ci.store.lan', 'store.lan', true],
  ['http://ci.store.lan', '.store.lan', true],
  ['http://mystore.lan', 'store.lan', false],
  ['http://store.lan.org', 'store.lan', false],
  ['http://store.lan', 'ci.store.lan', false],
  ['http://store.lan:8080', 'store.lan', true],
  ['http://store.lan:8080', 'store.lan:8080', true],
  ['http://store.lan:8080', 'store.lan:80', false],
  ['http://store.lan', 'store.lan:80', true],
  ['https://store.lan', 'store.lan:80', false],
  ['https://store.lan', '.lan:443', true],
  ['http://10.1.2.3', '10.1.2.3', true],
  ['http://10.1.2.3:81', '10.1.2.3:81', true],
  ['http://10.1.2.3:81', '10.1.2.3:82', false],
  ['http://10.1.2.3', '10.0.0.0/8', true],
  ['http://11.1.2.3', '10.0.0.0/8', false],
  ['http://10.1.2.3', '10.1.2.3/32', true],
  ['http://10.1.2.3', '10.1.2.3/33', false],
  ['http://10.1.2.3', '10.0.0.0/x', false],
  ['http://10.1.2.3', '2.3', false],
  ['http://[2001:db8::5]', '2001:db8::5', true],
  ['http://[2001:db8::5]', '2001:0db8:0::5', true],
  ['http://[2001:db8::5]', '[2001:db8::5]', true],
  ['http://[2001:db8::5]:81', '[2001:db8::5]:81', true],
  ['http://[2001:db8::5]:81', '[2001:db8::5]:82', false],
  ['http://[2001:db8::5]', '2001:db8::/32', true],
  ['http://[2001:db9::5]', '2001:db8::/32', false],
])('%s is exempt by NO_PROXY=%s: %s', (url, list, wanted) => {
  expect(isExempt(new URL(url), list)).toBe(wanted)
})

test.each([
  'socks5://user:hunter2@proxy.lan',
  'http://user:hunter2%zz@proxy.lan',
  'http://user:hunter2@proxy.lan:port',
])('%s is rejected without disclosing its password', (value) => {
  const read = (): unknown => readClientConfig({ url: 'https://store.lan' }, { HTTPS_PROXY: value })
  expect(read).toThrow(ConfigError)
  expect(read).toThrow(/^HTTPS_PROXY must be the URL of an HTTP proxy(?!.*hunter2)/)
})

test('a proxy is described by its host, its port and its setting', () => {
  const describe = (url: string): string => describeProxy({ url, setting: 'HTTPS_PROXY' })
  expect(describe('http://user:hunter2@proxy.lan:3128')).toBe(
    'the proxy proxy.lan:3128 (HTTPS_PROXY)',
  )
  expect(describe('http://proxy.lan')).toBe('the proxy proxy.lan:80 (HTTPS_PROXY)')
  expect(describeProxy({ url: 'https://proxy.lan' })).toBe('the proxy proxy.lan:443 (proxy)')
})
