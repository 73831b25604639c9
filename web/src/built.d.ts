// What the build puts in place of these.

declare module "*.graphql" {
  const text: string;
  export default text;
}

declare module "*.css";
