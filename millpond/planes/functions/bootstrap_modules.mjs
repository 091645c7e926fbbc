// Lets import statements find what is on NODE_PATH, as require does: the packages of layers and of the runtime.
import { pathToFileURL } from 'node:url';

const PLACES = (process.env.NODE_PATH ?? '').split(':').filter(Boolean);
const isBare = (specifier) => !/^([./]|[a-z]+:)/i.test(specifier);

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !isBare(specifier)) throw error;
    for (const place of PLACES) {
      try {
        return await next(specifier, { ...context, parentURL: pathToFileURL(`${place}/../any.js`).href });
      } catch (other) {
        if (other.code !== 'ERR_MODULE_NOT_FOUND') throw other;
      }
    }
    throw error;
  }
}
