/**
 * What is publicly known of the archives' contents: the hashes by which others check the same files. Those of SHA-384 and
 * most of SHA-256 stand in the model.yml files of OpenVINO's Open Model Zoo, that of mobilenet_v1_1.0_224.tgz in TensorFlow's
 * WORKSPACE too. Of the other archives no hash was found.
 */
export const archiveHashes: Readonly<Record<string, `sha256:${string}` | `sha384:${string}`>> = {
  "inception_v1_2016_08_28.tar.gz": "sha256:7a620c430fcaba8f8f716241f5148c4c47c035cce4e49ef02cfbe6cd1adf96a6",
  "inception_v2_2016_08_28.tar.gz":
    "sha384:c0b2efbae8fc5e237ae67637dca3f311d4b4f7da576b56067e83d95c398a2fccd50baff9cc0de64335f4d7b78e1adb07",
  "mobilenet_v1_1.0_224.tgz": "sha256:2fadeabb9968ec6833bee903900dda6e61b3947200535874ce2fe42a8493abc0",
  "mobilenet_v1_0.5_224.tgz": "sha256:98cf7a39552f73920cb99617cfa9b88d5732a87abf9ec14f7cc7f3ade1db0aaa",
  "mobilenet_v2_1.0_224.tgz": "sha256:318084bc1b63d6d7b854553e09cdf77078b1c0168be27c59a0d44253b5ed49dc",
  "mobilenet_v2_1.4_224.tgz":
    "sha384:fd257f73e8ee5280328903afa6bbd646dcf4e8ae7c090e3424cf05d973c0940fe02ee220a3a5a20ea51cb9caacbf4961",
};
