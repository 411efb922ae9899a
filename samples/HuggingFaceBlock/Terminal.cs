using Spectre.Console;

namespace HuggingFaceBlock;

/// <summary>Where tables go: to the console as it is now, wide enough if that is a file.</summary>
internal static class Terminal
{
    public static IAnsiConsole Create()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        if (Console.IsOutputRedirected)
            console.Profile.Width = 140;
        return console;
    }
}
