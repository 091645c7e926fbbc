// What runs inside a function's process: finds the handler and calls it for each event.
//
// It runs on the function's own Node (18 or later), so it uses Node's own modules only. Sources of the rules:
// the AWS Lambda developer guide, pages "Define Lambda function handler in Node.js", "Using the Lambda context
// object to retrieve Node.js function information" and "Log and monitor Node.js Lambda functions".
// What goes over the socket is told in bootstrap.py; an error after which the process cannot go on is
// {"kind": "fatal", "error"} and the end of the process.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import * as modules from 'node:module';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import util from 'node:util';
import { pathToFileURL } from 'node:url';

const VERSION = Number(process.versions.node.split('.')[0]);
const env = process.env;
const root = env.LAMBDA_TASK_ROOT;
const channel = new net.Socket({ fd: Number(process.argv[2]), readable: true, writable: true });
let current = null;

class LambdaFault extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

function send(message, after) {
  channel.write(`${JSON.stringify(message)}\n`, after);
}

function describe(error) {
  if (util.types.isNativeError(error) || error instanceof Error) {
    const { name, message, stack, code, ...rest } = error;
    return { errorType: name || 'Error', errorMessage: String(message), trace: String(stack ?? '').split('\n') };
  }
  const text = typeof error === 'string' ? error : util.inspect(error);
  return { errorType: typeof error, errorMessage: text, trace: [] };
}

function write(level, ...what) {
  const text = util.format(...what).replaceAll('\n', '\r');
  fs.writeSync(1, `${new Date().toISOString()}\t${current?.request_id ?? 'undefined'}\t${level}\t${text}\n`);
}

function installConsole() {
  const levels = { log: 'INFO', info: 'INFO', debug: 'DEBUG', warn: 'WARN', error: 'ERROR', trace: 'TRACE' };
  for (const [name, level] of Object.entries(levels)) console[name] = (...what) => write(level, ...what);
}

// Helpers that answer a custom resource put to https and a host, without the port: the engine speaks HTTP there.
function installEndpoint() {
  if (!env.AWS_ENDPOINT_URL) return;
  const endpoint = new URL(env.AWS_ENDPOINT_URL);
  const names = [endpoint.hostname, 'localhost', '127.0.0.1'];
  const theirs = https.request;
  https.request = (options, ...others) =>
    names.includes(options?.hostname ?? options?.host)
      ? http.request({ ...options, protocol: 'http:', agent: undefined, port: endpoint.port }, ...others)
      : theirs(options, ...others);
  modules.syncBuiltinESMExports();
}

function installStreaming() {
  const refuse = () => {
    throw new LambdaFault(
      'Runtime.StreamingResponseRefused',
      'Responses that are streamed (awslambda.streamifyResponse) are not supported here: return the response instead',
    );
  };
  globalThis.awslambda = { streamifyResponse: refuse, HttpResponseStream: { from: refuse } };
}

function packageType(file) {
  for (let folder = path.dirname(file); folder.startsWith(root); folder = path.dirname(folder)) {
    const description = path.join(folder, 'package.json');
    if (fs.existsSync(description)) return JSON.parse(fs.readFileSync(description, 'utf8')).type ?? 'commonjs';
  }
  return 'commonjs';
}

async function loadModule(base) {
  const require = modules.createRequire(path.join(root, 'any.js'));
  if (fs.existsSync(`${base}.js`)) {
    return packageType(`${base}.js`) === 'module' ? import(pathToFileURL(`${base}.js`).href) : require(`${base}.js`);
  }
  if (fs.existsSync(`${base}.mjs`)) return import(pathToFileURL(`${base}.mjs`).href);
  if (fs.existsSync(`${base}.cjs`)) return require(`${base}.cjs`);
  return require(base);
}

function asLambdaNamesIt(error) {
  if (['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(error?.code)) {
    return Object.assign(new LambdaFault('Runtime.ImportModuleError', `Error: ${error.message}`), { stack: error.stack });
  }
  if (error instanceof SyntaxError) {
    const fault = new LambdaFault('Runtime.UserCodeSyntaxError', `SyntaxError: ${error.message}`);
    return Object.assign(fault, { stack: error.stack });
  }
  return error;
}

async function loadHandler(name) {
  const [, file, names] = /^([^.]*)\.(.+)$/.exec(path.basename(name)) ?? [];
  if (!file || name.includes('..')) throw new LambdaFault('Runtime.MalformedHandlerName', 'Bad handler');
  const loaded = await loadModule(path.resolve(root, path.dirname(name), file)).catch((error) => {
    throw asLambdaNamesIt(error);
  });
  const found = (from) => names.split('.').reduce((owner, part) => owner?.[part], from);
  const handler = found(loaded) ?? found(loaded.default);
  if (handler === undefined) {
    throw new LambdaFault('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  }
  if (typeof handler !== 'function') {
    throw new LambdaFault('Runtime.HandlerNotFound', `${name} is not a function`);
  }
  if (VERSION >= 24 && handler.length >= 3) {
    throw new LambdaFault(
      'Runtime.CallbackHandlerDeprecated',
      'AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to '
        + 'modify this function to use a supported handler signature to use Node.js 24 or later.',
    );
  }
  return handler;
}

function encode(value) {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    throw new LambdaFault('Runtime.MarshalError', `Unable to stringify response body: ${error.message}`);
  }
}

function contextOf(request, answer) {
  const context = {
    awsRequestId: request.request_id,
    invokedFunctionArn: request.arn,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: request.client_context ? JSON.parse(request.client_context) : undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(request.deadline_ms - Date.now())),
  };
  if (VERSION >= 24) return context;
  return Object.assign(context, {
    callbackWaitsForEmptyEventLoop: true,
    done: (error, value) => answer(context, error, value),
    succeed: (value) => ((context.callbackWaitsForEmptyEventLoop = false), answer(context, null, value)),
    fail: (error) => ((context.callbackWaitsForEmptyEventLoop = false), answer(context, error ?? 'handled')),
  });
}

// An answer is given once. What a callback gives waits until nothing is left to do, unless the function says
// otherwise; a handler that gives nothing has answered null by then.
class Invocation {
  constructor(request) {
    this.request = request;
    this.waiting = { value: null };
  }

  finish(outcome) {
    if (current !== this.request) return;
    let message;
    try {
      if ('error' in outcome) throw outcome.error;
      message = { kind: 'result', payload: encode(outcome.value) };
    } catch (error) {
      const described = describe(error);
      write('ERROR', 'Invoke Error', `\t${JSON.stringify(described)}`);
      message = { kind: 'error', error: described };
    }
    current = null;
    channel.ref();
    send(message);
  }

  called(context, error, value) {
    const outcome = error === null || error === undefined ? { value } : { error };
    if (context.callbackWaitsForEmptyEventLoop) this.waiting = outcome;
    else this.finish(outcome);
  }
}

function invoke(handler, request) {
  const invocation = new Invocation(request);
  current = request;
  env._X_AMZN_TRACE_ID = request.trace_id;
  channel.unref();
  process.removeAllListeners('beforeExit');
  process.on('beforeExit', () => invocation.finish(invocation.waiting));
  const context = contextOf(request, (...what) => invocation.called(...what));
  try {
    const answered = handler(JSON.parse(request.event), context, (error, value) => invocation.called(context, error, value));
    if (typeof answered?.then === 'function') {
      answered.then(
        (value) => invocation.finish({ value }),
        (error) => invocation.finish({ error }),
      );
    } else if (VERSION >= 24) {
      invocation.finish({ value: answered });
    }
  } catch (error) {
    invocation.finish({ error });
  }
}

function installEnd() {
  const end = (error, status, title) => {
    const described = describe(error);
    write('ERROR', title, `\t${JSON.stringify(described)}`);
    channel.ref();
    send({ kind: 'fatal', error: described }, () => process.exit(status));
  };
  process.on('uncaughtException', (error) => end(error, 129, 'Uncaught Exception '));
  process.on('unhandledRejection', (reason) => {
    const fault = new LambdaFault('Runtime.UnhandledPromiseRejection', String(reason));
    end(Object.assign(fault, { stack: reason?.stack ?? fault.stack }), 128, 'Unhandled Promise Rejection ');
  });
}

async function main() {
  installConsole();
  installEndpoint();
  installStreaming();
  if (modules.register && VERSION > 18) {
    modules.register('./bootstrap_modules.mjs', import.meta.url);
  }
  process.argv.splice(1);
  let handler;
  try {
    handler = await loadHandler(env._HANDLER);
  } catch (error) {
    const described = describe(error);
    write('ERROR', 'Uncaught Exception ', `\t${JSON.stringify(described)}`);
    send({ kind: 'init_error', error: described }, () => process.exit(1));
    return;
  }
  installEnd();
  send({ kind: 'ready' });
  readline.createInterface({ input: channel }).on('line', (line) => invoke(handler, JSON.parse(line)));
}

await main();
