/** Points drawn by WebGL: some hundred thousand of them in a few milliseconds. */
import type { Camera, Size } from "../camera.ts";
import type { Rgb } from "../colours.ts";

export interface Points {
  /** The colour of each point, and how much of it is seen, from 0 to 1. */
  colour(of: (point: number) => readonly [Rgb, number]): void;
  /** Draws all, each `diameter` pixels wide. */
  draw(camera: Camera, size: Size, diameter: number): void;
  clear(): void;
}

const vertexShader = `
attribute vec2 place;
attribute vec4 colour;
uniform vec4 view;
uniform mediump float diameter;
varying vec4 tint;
void main() {
  gl_Position = vec4((place - view.xy) * view.zw, 0.0, 1.0);
  gl_PointSize = diameter;
  tint = colour;
}`;

const fragmentShader = `
precision mediump float;
varying vec4 tint;
uniform mediump float diameter;
void main() {
  float edge = (0.5 - length(gl_PointCoord - 0.5)) * diameter;
  float alpha = tint.a * clamp(edge, 0.0, 1.0);
  gl_FragColor = vec4(tint.rgb * alpha, alpha);
}`;

/** Points on a canvas; undefined where it has no WebGL. */
export function openPoints(canvas: HTMLCanvasElement, xy: Float32Array): Points | undefined {
  const gl = canvas.getContext("webgl", { antialias: false, preserveDrawingBuffer: true });
  const program = gl && programOf(gl);
  if (!gl || !program) return undefined;
  const count = xy.length / 2;
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const bind = (name: string, data: BufferSource, size: number, type: number) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    const at = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, type === gl.UNSIGNED_BYTE, 0, 0);
    return buffer;
  };
  const colours = new Uint8Array(4 * count);
  bind("place", new Float32Array(xy), 2, gl.FLOAT);
  const colourBuffer = bind("colour", colours, 4, gl.UNSIGNED_BYTE);
  const viewAt = gl.getUniformLocation(program, "view");
  const diameterAt = gl.getUniformLocation(program, "diameter");

  const clear = () => {
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
  };
  return {
    clear,
    colour(of) {
      for (let i = 0; i < count; i++) {
        const [rgb, alpha] = of(i);
        colours.set([...rgb, Math.round(255 * alpha)], 4 * i);
      }
      gl.bindBuffer(gl.ARRAY_BUFFER, colourBuffer);
      gl.bufferData(gl.ARRAY_BUFFER, colours, gl.STATIC_DRAW);
    },
    draw(camera, size, diameter) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      clear();
      const [across, up] = [(2 * camera.scale) / size.width, (2 * camera.scale) / size.height];
      gl.uniform4f(viewAt, camera.x, camera.y, across, up);
      gl.uniform1f(diameterAt, (diameter * canvas.width) / size.width);
      gl.drawArrays(gl.POINTS, 0, count);
    },
  };
}

function programOf(gl: WebGLRenderingContext): WebGLProgram | undefined {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vertexShader],
    [gl.FRAGMENT_SHADER, fragmentShader],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) return undefined;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : undefined;
}
