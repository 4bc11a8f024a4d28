const CONTROLS_BUT_TAB_AND_NEWLINE = /[\u0000-\u0008\u000b-\u001f]/g;

/** Longest chat message, in UTF-16 units, after cleaning. */
export const MAX_CHAT_LENGTH = 4_096;

/** Text as it is delivered: C0 control characters but tab and newline are removed, nothing else changes. */
export function cleanText(text: string): string {
  return text.replace(CONTROLS_BUT_TAB_AND_NEWLINE, "");
}
