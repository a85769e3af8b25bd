// The oracle over alipay-sdk for Node. The first argument names the folder its modules are in.
const { createRequire } = require("node:module");
const readline = require("node:readline");

const fetch = createRequire(process.argv[2]);
const { AlipaySdk } = fetch("alipay-sdk");

const client = ({ app, mode, url }) => {
  const config = {
    appId: app.app_id,
    privateKey: app.private_key.trim(),
    keyType: "PKCS8",
    gateway: `${url || "http://127.0.0.1:9"}/gateway.do`,
    endpoint: url || "http://127.0.0.1:9",
    camelcase: false,
    timeout: 60000,
  };
  if (mode === "certificate") {
    config.appCertContent = app.app_certificate;
    config.alipayPublicCertContent = app.alipay_certificate;
    config.alipayRootCertContent = app.root_certificate;
  } else {
    config.alipayPublicKey = app.alipay_public_key.trim();
  }
  return new AlipaySdk(config);
};

const doings = {
  // Sign a call, send it, verify the answer, all by the library.
  async call(asked) {
    const given = { biz_content: asked.content };
    // The library trips over a parameter that is there and undefined.
    if (asked.notify_url) given.notify_url = asked.notify_url;
    return client(asked).exec(asked.method, given, { validateSign: true });
  },
  // The address of a page, as the library signs it.
  async page(asked) {
    return client(asked).pageExecute(asked.method, "GET", { return_url: asked.return_url, biz_content: asked.content });
  },
  // Whether the library takes a notice for Alipay's.
  async notice(asked) {
    return client(asked).checkNotifySignV2({ ...asked.parameters });
  },
  // The numbers of the application's certificate and of the root bundle.
  async serials(asked) {
    const { appCertSn, alipayRootCertSn } = client({ ...asked, mode: "certificate" }).config;
    return [appCertSn, alipayRootCertSn];
  },
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    let answer;
    try {
      answer = { result: await doings[asked.do](asked) };
    } catch (error) {
      answer = { refused: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
})();
