// Every way in and out of an org that jsforce has without a browser.
import crypto from 'node:crypto';
import jsforce from 'jsforce';
import { client, connect, refusal, say, sim, url, user, version } from './org.mjs';

const works = async (conn) => (await conn.query('SELECT Id FROM Account')).totalSize === 0;
const dead = async (token) => refusal(new jsforce.Connection({ instanceUrl: url, accessToken: token, version }).query('SELECT Id FROM Account'));

{
  const conn = await connect();
  const who = await conn.identity();
  say('password', {
    works: await works(conn), instance: conn.instanceUrl === url, username: who.username,
    ids: who.user_id === conn.userInfo.id && who.organization_id === conn.userInfo.organizationId, organization: conn.userInfo.organizationId,
  });
  const token = conn.accessToken;
  await conn.logout();
  say('logout', await dead(token));
  const wrong = new jsforce.Connection({ oauth2: client, version });
  say('wrong password', await refusal(wrong.login(user.name, 'wrong')));
}
{
  const conn = new jsforce.Connection({ oauth2: client, version });
  await conn.authorize({ grant_type: 'client_credentials' });
  say('client credentials', { works: await works(conn), username: (await conn.identity()).username });
  const wrong = new jsforce.Connection({ oauth2: { ...client, clientSecret: 'wrong' }, version });
  say('wrong secret', await refusal(wrong.authorize({ grant_type: 'client_credentials' })));
}
{
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: client.clientId, sub: user.name, aud: url, exp: Math.floor(Date.now() / 1000) + 180 };
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  const assertion = `${text}.${crypto.sign('sha256', Buffer.from(text), process.env.ORG_KEY).toString('base64url')}`;
  const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const conn = new jsforce.Connection({ oauth2: { loginUrl: url }, version });
  await conn.authorize({ grant_type, assertion });
  say('assertion', { works: await works(conn), username: (await conn.identity()).username });
  say('another assertion', await refusal(conn.authorize({ grant_type, assertion: assertion.slice(0, -8) + 'AAAAAAAA' })));
}
{
  const refreshToken = (await sim('tokens/refresh', { username: user.name })).refresh_token;
  const conn = new jsforce.Connection({ oauth2: client, instanceUrl: url, accessToken: 'ended long ago', refreshToken, version });
  say('refresh token', { works: await works(conn) });
  await conn.logout(true);
  const again = new jsforce.Connection({ oauth2: client, instanceUrl: url, accessToken: 'ended long ago', refreshToken, version });
  say('revoked refresh token', await refusal(again.query('SELECT Id FROM Account')));
}
{
  const conn = new jsforce.Connection({ loginUrl: url, version: '64.0' });
  const who = await conn.login(user.name, user.password);
  say('soap', { works: await works(conn), instance: conn.instanceUrl === url, organization: who.organizationId });
  const token = conn.accessToken;
  await conn.logout();
  say('soap logout', await dead(token));
  say('soap wrong password', await refusal(new jsforce.Connection({ loginUrl: url, version: '64.0' }).login(user.name, 'wrong')));
  say('soap of today', await refusal(new jsforce.Connection({ loginUrl: url, version }).login(user.name, user.password)));
}
