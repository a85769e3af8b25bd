// The oracle over wechatpay-axios-plugin. The first argument names the folder its modules are in.
const { createRequire } = require("node:module");
const readline = require("node:readline");
const { createHash } = require("node:crypto");

const fetch = createRequire(process.argv[2]);
const { Decorator, Rsa, Aes, Formatter } = fetch("wechatpay-axios-plugin");

const publicKey = (pem) => Rsa.from(pem, Rsa.KEY_TYPE_PUBLIC);
const privateKey = (pem) => Rsa.from(pem, Rsa.KEY_TYPE_PRIVATE);
const channelKeys = (merchant) => {
  const keys = { ...merchant.platform_certificates };
  if (merchant.public_key_id) keys[merchant.public_key_id] = merchant.public_key;
  return keys;
};

const doings = {
  // Sign a call, send it, verify the answer, all by the library.
  async call({ merchant, mode, url, method, path, body }) {
    const client = new Decorator({
      mchid: merchant.mchid,
      serial: merchant.serial_no,
      privateKey: merchant.private_key,
      certs: channelKeys(merchant),
      baseURL: url,
    });
    const headers = mode === "public_key" ? { "Wechatpay-Serial": merchant.public_key_id } : {};
    // The library wants paths without the leading slash.
    const options = { headers, validateStatus: (status) => status < 300, timeout: 60000 };
    const answer = await client.request(path.slice(1), method, body, options);
    return { status: answer.status, content: answer.data === "" ? null : answer.data };
  },
  // Verify and open a callback with the library's parts; it has no single function for it.
  async callback({ merchant, headers, body }) {
    const names = ["timestamp", "nonce", "serial", "signature"];
    const [stamp, nonce, serial, signature] = names.map((name) => headers[`wechatpay-${name}`]);
    const key = channelKeys(merchant)[serial];
    if (!key) throw new Error("unknown serial");
    if (Math.abs(Formatter.timestamp() - Number(stamp)) > 300) throw new Error("stale");
    if (!Rsa.verify(Formatter.response(stamp, nonce, body), signature, publicKey(key))) throw new Error("signature");
    const told = JSON.parse(body);
    const { ciphertext, nonce: iv, associated_data: aad } = told.resource;
    return { ...told, resource: JSON.parse(Aes.AesGcm.decrypt(ciphertext, merchant.api_v3_key, iv, aad)) };
  },
  async authorization({ merchant, method, path, text }) {
    const [nonce, stamp] = [Formatter.nonce(), Formatter.timestamp()];
    const signature = Rsa.sign(Formatter.request(method, path, stamp, nonce, text || ""), privateKey(merchant.private_key));
    return Formatter.authorization(merchant.mchid, nonce, signature, stamp, merchant.serial_no);
  },
  async sign({ key, message }) {
    return Rsa.sign(message, privateKey(key));
  },
  async verify({ key, message, signature }) {
    return Rsa.verify(message, signature, publicKey(key));
  },
  async seal({ key, nonce, associated_data, plain }) {
    return Aes.AesGcm.encrypt(plain, key, nonce, associated_data);
  },
  async unseal({ key, resource }) {
    return Aes.AesGcm.decrypt(resource.ciphertext, key, resource.nonce, resource.associated_data);
  },
  async unseal_v2({ key, sealed }) {
    return Aes.AesEcb.decrypt(sealed, createHash("md5").update(key).digest("hex"));
  },
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    let answer;
    try {
      answer = { result: await doings[asked.do](asked) };
    } catch (error) {
      answer = { refused: `${error.code || error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
})();
