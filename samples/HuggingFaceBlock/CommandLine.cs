using System.CommandLine;

namespace HuggingFaceBlock;

/// <summary>What options may be, and what is said where they are not.</summary>
internal static class CommandLine
{
    /// <summary>Paths and names have characters; what comes of an empty one would not say which option it was.</summary>
    public static void RequireText(params Option[] options)
    {
        foreach (var option in options)
        {
            option.Validators.Add(result =>
            {
                if (result.Tokens is [{ Value: "" }])
                    result.AddError($"{option.Name} is empty.");
            });
        }
    }

    /// <summary>All that is wrong, in one line.</summary>
    public static string Errors(ParseResult parsed) =>
        string.Join(' ', parsed.Errors.SelectMany(error => error.Message.Split([' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries)));
}
