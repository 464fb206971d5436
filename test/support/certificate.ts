/** A certificate of this machine for itself, made anew each time: no key lies in the repository, and none expires. */
import { generateKeyPairSync, sign } from "node:crypto";

/** DER (X.690): a type, a length, a content. */
function der(type: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([type, ...size]), content]);
}

const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
const oid = (...bytes: number[]) => der(0x06, Uint8Array.from(bytes));
const text = (type: number, value: string) => der(type, Buffer.from(value));
const time = (date: Date) => text(0x17, `${date.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`);
const pem = (what: string, bytes: Uint8Array) =>
  `-----BEGIN ${what}-----\n${Buffer.from(bytes).toString("base64").replace(/.{64}/g, "$&\n")}\n-----END ${what}-----\n`;

/** A key, and the certificate of localhost and 127.0.0.1 (RFC 5280) that is signed with it: to be trusted as it is. */
export function ownCertificate(): { key: string; cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2));
  const name = sequence(der(0x31, sequence(oid(0x55, 4, 3), text(0x0c, "localhost"))));
  const day = 86_400_000;
  const names = sequence(text(0x82, "localhost"), der(0x87, Uint8Array.of(127, 0, 0, 1)));
  const extensions = sequence(
    sequence(oid(0x55, 0x1d, 0x11), der(0x04, names)),
    sequence(oid(0x55, 0x1d, 0x13), der(0x04, sequence(der(0x01, Uint8Array.of(255))))),
  );
  const facts = sequence(
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, Uint8Array.of(1)),
    ecdsaWithSha256,
    name,
    sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + day))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = der(0x03, Uint8Array.of(0), sign("sha256", facts, privateKey));
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: pem("CERTIFICATE", sequence(facts, ecdsaWithSha256, signature)),
  };
}
