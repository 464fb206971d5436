/** The commands about networks and checkpoints, on real small files. */
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/program.ts";
import { models } from "../../src/nets/index.ts";
import { temporaryFolder } from "../support/features.ts";
import { seededVariables, type Variable, writeVariables } from "../support/small-checkpoint.ts";
import { capture, runMain } from "./helpers.ts";

let variables: Variable[] = [];
let lenet = "";

beforeAll(async () => {
  variables = await seededVariables("lenet");
  lenet = await writeVariables(join(temporaryFolder(), "lenet.ckpt"), variables);
});

describe("models", () => {
  it("lists every network, with the numbers of the paper", async () => {
    const { code, out } = await runMain("models");
    expect(code).toBe(0);
    for (const { name } of models) expect(out).toMatch(new RegExp(`^${name} `, "m"));
    expect(out).toMatch(
      /^resnet_v1_50 +224 +1000 +25\.6 M +3482 M +global_pool +2048 +vgg +75\.2 \/ 92\.2 /m,
    );
  });

  it.each([60, 80, 100, 200])(
    "fits into a terminal of %d columns, and says what is left out",
    async (width) => {
      const { io, out, err } = capture({ outColumns: width });
      await main(["models"], io);
      const lines = out().trimEnd().split("\n");
      expect(lines).toHaveLength(models.length + 1);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
      expect(lines[0]).toMatch(/^network .*input .*parameters .*length/);
      if (width < 160) expect(err()).toMatch(/too narrow for: .*published archive \(--json has all\)/);
      else expect(err()).not.toContain("too narrow");
    },
  );

  it("gives JSON", async () => {
    const { out } = await runMain("models", "--json");
    expect(JSON.parse(out)[0]).toMatchObject({
      name: "inception_v1",
      parameters: 6_633_209,
      featureLength: 1024,
    });
  });
});

describe("kernels", () => {
  it("lists the kernel of each layer, with its idea", async () => {
    const { code, out } = await runMain("kernels", "inception_v1", "--device", "cpu");
    expect(code).toBe(0);
    expect(out).toMatch(/^InceptionV1\/Conv2d_1a_7x7 +conv2d +1x112x112x64 +winograd +4x4 .*panels$/m);
    expect(out).toMatch(/^conv2d panels: Windows packed/m);
  });

  it("gives JSON", async () => {
    const { out } = await runMain("kernels", "mobilenet_v1_025", "--device", "cpu", "--json");
    const choices = JSON.parse(out);
    expect(choices).toHaveLength(28);
    expect(choices[1]).toMatchObject({ op: "depthwise_conv2d", name: "channels" });
  });
});

describe("layers", () => {
  it("lists end points with what they cost", async () => {
    const { code, out } = await runMain("layers", "vgg_16");
    expect(code).toBe(0);
    expect(out).toMatch(/^vgg_16\/fc8 +1000 +1,000 +15,470,264,320 +138,357,544$/m);
  });

  it("tells on stderr what a size does not allow", async () => {
    const { code, out, err } = await runMain("layers", "vgg_16", "--image-size", "96");
    expect(code).toBe(0);
    expect(out).toContain("vgg_16/pool5");
    expect(out).not.toContain("fc8");
    expect(err).toContain("not at this size: vgg_16/fc8");
  });

  it("knows no network by a wrong name, and says which is meant", async () => {
    const { code, err } = await runMain("layers", "vgg16");
    expect(code).toBe(2);
    expect(err).toContain("Did you mean vgg_16");
  });
});

describe("checkpoint", () => {
  it("ls lists every tensor", async () => {
    const { code, out, err } = await runMain("checkpoint", "ls", lenet);
    expect(code).toBe(0);
    expect(out).toMatch(/^LeNet\/conv1\/weights +float32 +5x5x1x32 +3,200$/m);
    expect(err).toBe("V2, 8 tensors, 13.1 MB\n");
    const json = JSON.parse((await runMain("checkpoint", "ls", lenet, "--json")).out);
    expect(json).toHaveLength(8);
  });

  it("show prints statistics of one tensor", async () => {
    const path = await writeVariables(join(temporaryFolder(), "x"), [
      { name: "v", shape: [4], data: Float32Array.of(0, 1, 2, Number.NaN) },
    ]);
    const { out } = await runMain("checkpoint", "show", path, "v");
    expect(out).toBe(
      "v float32 4\nelements: 4\nmin: 0\nmax: 2\nmean: 1\nstandard deviation: 0.8164966\nzeros: 1\nnot finite: 1\nfirst: 0 1 2 NaN\n",
    );
    expect((await runMain("checkpoint", "show", path, "w")).code).toBe(5);
  });

  it("diff compares with a network and with another file", async () => {
    expect(await runMain("checkpoint", "diff", lenet, "lenet")).toMatchObject({
      code: 0,
      out: "",
      err: "no difference\n",
    });
    expect(await runMain("checkpoint", "diff", lenet, lenet)).toMatchObject({ code: 0, out: "" });
    const [first, second, ...rest] = variables;
    const changed = await writeVariables(join(temporaryFolder(), "changed"), [
      { ...first, data: first.data.map((v, i) => (i === 0 ? v + 0.5 : v)) },
      { ...second, name: "LeNet/conv1/bias" },
      ...rest,
    ]);
    const files = await runMain("checkpoint", "diff", lenet, changed);
    expect(files.code).toBe(1);
    expect(files.out.split("\n").map((l) => l.replace(/ in \/.*/, ""))).toEqual([
      "+ LeNet/conv1/bias is only",
      "- LeNet/conv1/biases is only",
      "~ LeNet/conv1/weights differs in 1 of 800 values, at most by 0.500",
      "",
    ]);
    const network = await runMain("checkpoint", "diff", changed, "lenet");
    expect(network.out).toMatch(
      /- LeNet\/conv1\/biases is missing .*\n\+ LeNet\/conv1\/bias is not needed by lenet/,
    );
  });

  it("why says in words whether a file fits", async () => {
    const fits = await runMain("checkpoint", "why", lenet);
    expect(fits).toMatchObject({ code: 0 });
    expect(fits.out).toContain("holds lenet.");
    const other = await runMain("checkpoint", "why", lenet, "vgg_16");
    expect(other.code).toBe(5);
    expect(other.out).toContain("cannot be extracted: 30 of 30 variables do not fit");
  });
});
