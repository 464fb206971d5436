/** What the page shows just now, and who wants to know of changes. */

/** Pixels, below which the panel lies under the map, as in the style. */
export const narrow = 720;

/** The panel's tabs. */
export const tabs = ["image", "list", "duplicates", "outliers"] as const;
export type Tab = (typeof tabs)[number];

/** Some images that were asked for together: by lasso, search, or group. The map shows the others faintly. */
export interface Listed {
  readonly title: string;
  readonly images: readonly number[];
}

export interface State {
  readonly tab: Tab;
  /** The image whose neighbours are shown. */
  readonly current: number | undefined;
  readonly listed: Listed | undefined;
  /** The group whose images are listed, where that is what they are. */
  readonly group: number | undefined;
  /** Which of the colourings; -1 for none. */
  readonly colouring: number;
  readonly lasso: boolean;
  readonly dark: boolean;
}

export type Listener = (state: State, before: State) => void;

export interface Store {
  readonly state: State;
  set(change: Partial<State>): void;
  onChange(listener: Listener): void;
}

export function createStore(initial: State): Store {
  let state = initial;
  const listeners: Listener[] = [];
  return {
    get state() {
      return state;
    },
    set(change) {
      const before = state;
      state = { ...state, ...change };
      for (const listener of listeners) listener(state, before);
    },
    onChange: (listener) => void listeners.push(listener),
  };
}
