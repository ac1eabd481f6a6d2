// Steps of the judges that live through a life with the official Okta SDK for Node.js, as they are printed in the end.

export const steps = [];

export async function refused(what, call) {
  try {
    await call();
    steps.push(`${what}: not refused`);
  } catch (error) {
    steps.push(`${what}: refused ${error.status} ${error.errorCode}`);
  }
}
