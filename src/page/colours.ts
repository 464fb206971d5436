/** Colours of groups: told apart from each other, on light and on dark. */

export type Rgb = readonly [red: number, green: number, blue: number];

/** The first ones, chosen by hand to differ for the colour-blind too (after Okabe and Ito), as lightness, chroma, hue of OKLCH. */
const chosen: readonly (readonly [l: number, c: number, h: number])[] = [
  [0.62, 0.17, 255],
  [0.72, 0.17, 60],
  [0.68, 0.14, 165],
  [0.62, 0.21, 15],
  [0.58, 0.19, 300],
  [0.8, 0.15, 95],
  [0.74, 0.11, 215],
  [0.7, 0.17, 340],
  [0.62, 0.14, 130],
  [0.52, 0.1, 45],
  [0.52, 0.12, 275],
  [0.78, 0.09, 180],
];

/** By which angle hues go on: any number of them in a row lie well apart. */
const goldenAngle = 137.508;

/** The colour of group `index` on a light or dark ground. */
export function groupColour(index: number, dark: boolean): Rgb {
  const [l, c, h] =
    index < chosen.length
      ? chosen[index]
      : [
          index % 2 === 0 ? 0.46 : 0.86,
          index % 3 === 0 ? 0.07 : 0.13,
          (20 + (index - chosen.length) * goldenAngle) % 360,
        ];
  return ofOklch(dark ? Math.min(0.9, l + 0.05) : l - 0.02, c, h);
}

/** Of images that are in no group. */
export const noColour = (dark: boolean): Rgb => (dark ? [120, 126, 138] : [150, 155, 165]);

export const cssOf = ([r, g, b]: Rgb, alpha = 1): string => `rgb(${r} ${g} ${b} / ${alpha})`;

/** OKLCH to sRGB (Ottosson, "A perceptual color space for image processing", 2020), cut off at the gamut. */
function ofOklch(lightness: number, chroma: number, hue: number): Rgb {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function gamma(linear: number): number {
  const v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.max(0, Math.min(1, v)));
}
