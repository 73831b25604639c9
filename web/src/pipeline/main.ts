import "../page.css";
import { followTheme } from "../theme";

followTheme();
