/**
 * A budget for reading a whole request and answering it: body bytes do not extend it, and without one a slow second request
 * on a connection is never ended.
 */
export const REQUEST_TIMEOUT_S = 20;
